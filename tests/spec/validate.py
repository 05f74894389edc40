# SPDX-License-Identifier: Apache-2.0
#
# validate.py SCHEMA SPEC...: is the schema a JSON Schema, and does it accept the specs?
import json
import sys

import jsonschema
import yaml

schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
bad = 0
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as f:
        for error in validator.iter_errors(yaml.safe_load(f)):
            print(path, list(error.path), error.message[:200])
            bad = 1
sys.exit(bad)
