from __future__ import annotations
import json
from mm_magics.errors import ToolInputError


class Shape:
    def __init__(self, t):
        from pydantic import TypeAdapter

        self.a = TypeAdapter(t)
        self.schema = self.a.json_schema()
        self.instruction = "JSON please: " + json.dumps(self.schema)

    def parse_input(self, v):
        try:
            return self.a.validate_python(v)
        except Exception as e:
            raise ToolInputError(str(e)) from None

    def parse_text(self, t):
        try:
            return self.a.validate_python(json.loads(t))
        except Exception as e:
            raise ToolInputError(str(e)) from None


def shape_of(t):
    return Shape(t)
