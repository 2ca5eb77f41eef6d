"""validate_json.py SCHEMA FILE: exits 1 with the first errors where FILE does not follow SCHEMA."""
import json
import sys

import jsonschema


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
document = json.load(open(sys.argv[2]), parse_constant=refuse_constant)
errors = list(jsonschema.Draft202012Validator(schema).iter_errors(document))
for error in errors[:10]:
    print(f"{error.json_path}: {error.message[:300]}")
sys.exit(1 if errors else 0)
