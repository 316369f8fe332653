"""The echo function on AWS's Python runtime interface client."""


def handler(event, _context):
    return event
