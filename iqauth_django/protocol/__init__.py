"""What IQAuth is, without Django and without a socket: values in, values out."""
