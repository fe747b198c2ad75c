"""What Schemathesis must know of Tapir's media types."""
import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    """A generated body as one line of JSON, or as several if it is a list."""
    if isinstance(value, bytes):
        return value
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line, default=str) + "\n" for line in lines).encode()
