"""Vesicles, pustules and their crusts: chickenpox, shingles, impetigo."""
