"""The same, as a function that imports the SDK."""
import boto3  # noqa: F401


def handler(event, _context):
    return event
