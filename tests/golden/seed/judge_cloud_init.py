# SPDX-License-Identifier: Apache-2.0
#
# judge_cloud_init.py GOLDEN WORK: cloud-init's own code reads every seed in WORK/<case>/ and says what it
# understood; that is compared with GOLDEN/<case>/seen.json (UPDATE=1 writes it). Then its schema checks
# the result, its network renderers draw the NICs, and its schema's keys are looked up in our table
# (WORK/keys). Nothing here repeats what croft thinks: cloud-init is asked.
import json
import logging
import os
import sys

from cloudinit import dmi, helpers, util, version
from cloudinit.config import schema
from cloudinit.handlers import cloud_config
from cloudinit.sources import DataSourceNoCloud
from cloudinit.user_data import UserDataProcessor

golden, work = sys.argv[1:3]
update = os.environ.get("UPDATE") == "1"
failures = 0


def complain(*words):
    global failures
    failures += 1
    print("FAIL:", *words)


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.seen = []

    def emit(self, record):
        self.seen.append(record.getMessage())


warnings = Warnings()
logging.getLogger().addHandler(warnings)


class Collector:
    """Stands where cloud-init's handlers stand, and keeps what it is handed."""

    def __init__(self, paths):
        self.config = cloud_config.CloudConfigPartHandler(paths)
        self.config._write_cloud_config = lambda: None
        self.others = []

    def part(self, filename, payload, ctype, headers):
        if ctype in self.config.list_types():
            self.config.handle_part(None, ctype, filename, payload, "always", headers)
        else:
            self.others.append([ctype, filename, payload])


def understand(raw, paths):
    """A document as cloud-init processes it: the merged configuration and the other parts."""
    c = Collector(paths)
    message = UserDataProcessor(paths).process(raw)

    for part in message.walk():
        if part.get_content_maintype() != "multipart":
            c.part(part.get_filename() or "", util.fully_decoded_payload(part), part.get_content_type(), dict(part))
    return c.config.cloud_buf or {}, c.others


def read_seed(case, paths):
    """DataSourceNoCloud reads a directory with the files of the disk through the same code as a disk."""
    ds = DataSourceNoCloud.DataSourceNoCloud({}, None, paths)
    ds.seed_dirs = [os.path.join(work, case)]
    ds.ds_cfg = {"fs_label": None}
    if not ds.get_data():
        raise RuntimeError("NoCloud found no seed")
    return ds


def check_schema(case, what, config):
    try:
        schema.validate_cloudconfig_schema(config, strict=True)
    except schema.SchemaValidationError as e:
        complain(case, what, e)


def judge_case(case):
    paths = helpers.Paths({"cloud_dir": os.path.join(work, "cloud"), "run_dir": os.path.join(work, "run")})
    warnings.seen.clear()
    ds = read_seed(case, paths)
    paths.datasource = ds
    user, user_others = understand(ds.get_userdata_raw(), paths)
    vendor, vendor_others = understand(ds.get_vendordata_raw(), paths)
    seen = {
        "meta-data": {k: v for k, v in ds.metadata.items() if k != "dsmode"},
        "network-config": ds.network_config,
        "user-data": user,
        "user-data, other parts": user_others,
        "vendor-data": vendor,
        "vendor-data, other parts": vendor_others,
    }
    if warnings.seen:
        complain(case, "cloud-init warns:", warnings.seen)
    check_schema(case, "user-data", user)
    check_schema(case, "vendor-data", vendor)
    text = json.dumps(seen, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    path = os.path.join(golden, case, "seen.json")
    if update:
        util.write_file(path, text, 0o644)
    elif text != util.load_file(path):
        complain(case, "cloud-init understood something else than in", path, "\n" + text)


def render_network(kind, config):
    from cloudinit.net import eni, network_manager, network_state, networkd, netplan, sysconfig

    module = {"eni": eni, "NetworkManager": network_manager, "netplan": netplan,
              "networkd": networkd, "sysconfig": sysconfig}[kind]
    options = {}
    if kind == "sysconfig":
        from cloudinit.distros import rhel
        options = rhel.Distro.renderer_configs["sysconfig"]
    elif kind == "netplan":
        options = {"netplan_path": "etc/netplan/50-cloud-init.yaml", "postcmds": False}
    elif kind == "eni":
        options = {"eni_path": "etc/network/interfaces"}
    elif kind == "networkd":
        options = {"resolv_conf_fn": "/etc/systemd/resolved.conf", "network_conf_dir": "/etc/systemd/network/"}
    target = os.path.join(work, "render-" + kind)
    state = network_state.parse_net_config_data(config, renderer=module.Renderer(config=options))
    module.Renderer(config=options).render_network_state(state, target=target)
    text = ""
    for root, _, files in sorted(os.walk(target)):
        for name in sorted(files):
            text += util.load_file(os.path.join(root, name)) + "\n"
    return text


# What the renderers must have made of the case "full", one static IPv4 NIC and one static IPv6 NIC.
NETWORK = {
    "netplan": ["- 10.77.0.10/24", "to: 0.0.0.0/0", "via: 10.77.0.1", "gateway6: fd00:77::1",
                "macaddress: '52:54:00:12:34:56'", "- fd00:77::53"],
    "networkd": ["MACAddress=52:54:00:12:34:56", "Address=10.77.0.10/24", "Destination=0.0.0.0/0",
                 "Gateway=10.77.0.1", "Address=fd00:77::10/64", "Gateway=fd00:77::1", "DNS=10.77.0.1 1.1.1.1"],
    "NetworkManager": ["mac-address=52:54:00:12:34:56", "address1=10.77.0.10/24",
                       "route1=0.0.0.0/0,10.77.0.1", "gateway=fd00:77::1", "dns=10.77.0.1;1.1.1.1;"],
    "sysconfig": ["HWADDR=52:54:00:12:34:56", "IPADDR=10.77.0.10", "GATEWAY=10.77.0.1", "DEFROUTE=yes",
                  "IPV6ADDR=fd00:77::10/64", "IPV6_DEFAULTGW=fd00:77::1", "DNS1=10.77.0.1"],
    "eni": ["address 10.77.0.10/24", "route add default gw 10.77.0.1", "address fd00:77::10/64",
            "gateway fd00:77::1", "dns-nameservers 10.77.0.1 1.1.1.1"],
}


def judge_network():
    config = util.load_yaml(util.load_file(os.path.join(work, "full", "network-config")))
    for kind, wanted in NETWORK.items():
        text = render_network(kind, config)
        for line in wanted:
            if line not in text:
                complain("network renderer", kind, "has no", repr(line), "in\n" + text)


def kinds_of(prop, top):
    """The kinds that a property of the schema allows, by our table's names; None when it cannot be told."""
    names = {"string": "text", "integer": "int", "number": "float", "boolean": "bool", "null": "null",
             "array": "list", "object": "map"}
    found = set()
    if "$ref" in prop:
        return kinds_of(top["$defs"][prop["$ref"].split("/")[-1]], top)
    for t in [prop["type"]] if isinstance(prop.get("type"), str) else prop.get("type", []):
        found.add(names[t])
    for value in prop.get("enum", []):
        found.add("bool" if isinstance(value, bool) else "text")
    for choice in prop.get("oneOf", []) + prop.get("anyOf", []):
        found |= kinds_of(choice, top) or set()
    return found or None


def judge_keys():
    ours = {}
    for line in util.load_file(os.path.join(work, "keys")).splitlines():
        name, *kinds = line.split()
        ours[name] = set(kinds)
    top = schema.get_schema()
    asked = 0
    for group in schema_groups(top):
        for name, prop in group.get("properties", {}).items():
            asked += 1
            theirs = kinds_of(prop, top)
            if name not in ours:
                complain("our table does not know", name)
            elif ours[name] - {"deprecated"} and theirs and not theirs <= ours[name]:
                complain(name, "may be", theirs, "and our table says", ours[name])
    if asked < 90:
        complain("the schema has only", asked, "keys: is it read rightly?")


def schema_groups(top):
    return [top["$defs"][ref["$ref"].split("/")[-1]] for ref in top["allOf"]]


def main():
    dmi.read_dmi_data = lambda key: None
    util.get_cmdline = lambda: ""
    for name in sorted(os.listdir(golden)):
        if os.path.exists(os.path.join(golden, name, "input.yaml")):
            judge_case(name)
    judge_network()
    judge_keys()


try:
    main()
except (AttributeError, ImportError, TypeError) as e:
    # Its insides are nobody's interface: a version that has moved them cannot be asked this way.
    if version.version_string().startswith("22."):
        raise
    print("cloud-init", version.version_string(), "was not asked:", e)
sys.exit(1 if failures else 0)
