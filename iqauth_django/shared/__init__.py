"""What the processes of one site share: the Django cache, and seals under Django's SECRET_KEY."""
