# SPDX-License-Identifier: Apache-2.0
#
# cloud_config.py FILE...: does the schema of the cloud-init that is installed accept these maps?
import sys

import yaml
from cloudinit.config import schema

known = schema.get_schema()
bad = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as f:
        config = yaml.safe_load(f) or {}
    # cloud-init makes no user for an empty list, but the schema of 22.4 warns of it.
    if config.get("users") == []:
        del config["users"]
    try:
        schema.validate_cloudconfig_schema(config, schema=known, strict=True)
    except schema.SchemaValidationError as error:
        print(path, error)
        bad = 1
sys.exit(bad)
