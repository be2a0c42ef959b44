"""The wire formats, a module each: decode a request, encode predictions, and errors.

No format imports another. A format says what its operations are (serving.http.Format); the routes,
the limits and the way to a prediction are the same for all.
"""
