"""The server-managed session: cookies, sign-in, refresh, and what a request is answered when nobody is signed in."""
