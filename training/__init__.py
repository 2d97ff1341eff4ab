

import os

# transformers tells of optional packages that nothing here needs, at every import
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
