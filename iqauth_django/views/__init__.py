"""Views by what they serve; urls.py names them."""
