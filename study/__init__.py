"""A reader study: real and synthetic pictures, blinded and mixed, and what readers saw in them; no picture is shipped."""
