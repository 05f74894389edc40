/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of #cloud-config, from the schemas of cloud-init 22.4 to 25 and its older documentation
 * (tests/golden/seed/judges compares the table with the schema of the cloud-init that is
 * installed). In the order of the alphabet, a map's own keys in a table before it.
 */
#include "cloudinit/check.h"

static const struct key apt_keys[] = {
	KEY("add_apt_repo_match", V_TEXT),
	KEY("conf", V_TEXT),
	KEY("debconf_selections", V_MAP),
	KEY("disable_suites", V_LIST, .items = V_TEXT),
	KEY("ftp_proxy", V_TEXT),
	KEY("generate_mirrorlists", V_BOOL),
	KEY("http_proxy", V_TEXT),
	KEY("https_proxy", V_TEXT),
	KEY("preserve_sources_list", V_BOOL),
	KEY("primary", V_LIST, .items = V_MAP),
	KEY("proxy", V_TEXT),
	KEY("security", V_LIST, .items = V_MAP),
	KEY("sources", V_MAP),
	KEY("sources_list", V_TEXT),
	KEYS_END,
};

static const struct key ca_certs_keys[] = {
	KEY("remove-defaults", V_BOOL, .instead = "write remove_defaults"),
	KEY("remove_defaults", V_BOOL),
	KEY("trusted", V_LIST, .items = V_TEXT),
	KEYS_END,
};

static const struct key chpasswd_user_keys[] = {
	KEY("name", V_TEXT, .required = true),
	KEY("password", V_TEXT),
	KEY("type", V_TEXT, .values = WORDS("hash", "text", "RANDOM")),
	KEYS_END,
};

static const struct key chpasswd_keys[] = {
	KEY("expire", V_BOOL),
	KEY("list", V_TEXT | V_LIST, .items = V_TEXT,
	    .instead = "write users: [ { name: ..., password: ..., type: text } ]"),
	KEY("users", V_LIST, .items = V_MAP, .inside = chpasswd_user_keys),
	KEYS_END,
};

static const struct key fs_setup_keys[] = {
	KEY("cmd", V_TEXT | V_LIST, .items = V_TEXT),
	KEY("device", V_TEXT),
	KEY("extra_opts", V_TEXT | V_LIST, .items = V_TEXT),
	KEY("filesystem", V_TEXT),
	KEY("label", V_TEXT | V_NULL),
	KEY("overwrite", V_BOOL),
	KEY("partition", V_TEXT | V_INT),
	KEY("replace_fs", V_TEXT),
	KEYS_END,
};

static const struct key growpart_keys[] = {
	KEY("devices", V_LIST, .items = V_TEXT),
	KEY("ignore_growroot_disabled", V_BOOL),
	KEY("mode", V_TEXT | V_BOOL, .values = WORDS("auto", "growpart", "gpart", "off")),
	KEYS_END,
};

static const struct key keyboard_keys[] = {
	KEY("layout", V_TEXT, .required = true),
	KEY("model", V_TEXT),
	KEY("options", V_TEXT),
	KEY("variant", V_TEXT),
	KEYS_END,
};

static const struct key ntp_config_keys[] = {
	KEY("check_exe", V_TEXT),
	KEY("confpath", V_TEXT),
	KEY("packages", V_LIST, .items = V_TEXT),
	KEY("service_name", V_TEXT),
	KEY("template", V_TEXT),
	KEYS_END,
};

static const struct key ntp_keys[] = {
	KEY("allow", V_LIST, .items = V_TEXT),
	KEY("config", V_MAP, .inside = ntp_config_keys),
	KEY("enabled", V_BOOL),
	KEY("ntp_client", V_TEXT),
	KEY("peers", V_LIST, .items = V_TEXT),
	KEY("pools", V_LIST, .items = V_TEXT),
	KEY("servers", V_LIST, .items = V_TEXT),
	KEYS_END,
};

static const struct key phone_home_keys[] = {
	KEY("post", V_TEXT | V_LIST, .items = V_TEXT),
	KEY("tries", V_INT),
	KEY("url", V_TEXT, .required = true),
	KEYS_END,
};

static const struct key power_state_keys[] = {
	KEY("condition", V_TEXT | V_BOOL | V_LIST),
	KEY("delay", V_TEXT | V_INT),
	KEY("message", V_TEXT),
	KEY("mode", V_TEXT, .required = true, .values = WORDS("poweroff", "reboot", "halt")),
	KEY("timeout", V_INT),
	KEYS_END,
};

static const struct key random_seed_keys[] = {
	KEY("command", V_LIST, .items = V_TEXT),
	KEY("command_required", V_BOOL),
	KEY("data", V_TEXT),
	KEY("encoding", V_TEXT, .values = WORDS("raw", "base64", "b64", "gzip", "gz")),
	KEY("file", V_TEXT),
	KEYS_END,
};

static const struct key resolv_conf_keys[] = {
	KEY("domain", V_TEXT),	      KEY("nameservers", V_LIST), KEY("options", V_MAP),
	KEY("searchdomains", V_LIST), KEY("sortlist", V_LIST),	  KEYS_END,
};

static const struct key snap_keys[] = {
	KEY("assertions", V_LIST | V_MAP),
	KEY("commands", V_LIST | V_MAP),
	KEYS_END,
};

static const struct key ssh_console_keys[] = {
	KEY("emit_keys_to_console", V_BOOL),
	KEYS_END,
};

static const struct key ssh_host_keys[] = {
	KEY("dsa_certificate", V_TEXT),
	KEY("dsa_private", V_TEXT),
	KEY("dsa_public", V_TEXT),
	KEY("ecdsa_certificate", V_TEXT),
	KEY("ecdsa_private", V_TEXT),
	KEY("ecdsa_public", V_TEXT),
	KEY("ed25519_certificate", V_TEXT),
	KEY("ed25519_private", V_TEXT),
	KEY("ed25519_public", V_TEXT),
	KEY("rsa_certificate", V_TEXT),
	KEY("rsa_private", V_TEXT),
	KEY("rsa_public", V_TEXT),
	KEYS_END,
};

static const struct key publish_keys[] = {
	KEY("blacklist", V_LIST, .items = V_TEXT),
	KEY("enabled", V_BOOL),
	KEYS_END,
};

static const struct key swap_keys[] = {
	KEY("filename", V_TEXT),
	KEY("maxsize", V_TEXT | V_INT),
	KEY("size", V_TEXT | V_INT),
	KEYS_END,
};

static const struct key updates_keys[] = {
	KEY("network", V_MAP),
	KEYS_END,
};

static const struct key user_keys[] = {
	KEY("create_groups", V_BOOL),
	KEY("doas", V_LIST, .items = V_TEXT),
	KEY("expiredate", V_TEXT),
	KEY("gecos", V_TEXT),
	KEY("groups", V_TEXT | V_LIST | V_MAP),
	KEY("hashed_passwd", V_TEXT),
	KEY("homedir", V_TEXT),
	KEY("inactive", V_TEXT),
	KEY("lock-passwd", V_BOOL, .instead = "write lock_passwd"),
	KEY("lock_passwd", V_BOOL),
	KEY("name", V_TEXT),
	KEY("no-create-home", V_BOOL, .instead = "write no_create_home"),
	KEY("no-log-init", V_BOOL, .instead = "write no_log_init"),
	KEY("no-user-group", V_BOOL, .instead = "write no_user_group"),
	KEY("no_create_home", V_BOOL),
	KEY("no_log_init", V_BOOL),
	KEY("no_user_group", V_BOOL),
	KEY("passwd", V_TEXT),
	KEY("plain_text_passwd", V_TEXT),
	KEY("primary-group", V_TEXT, .instead = "write primary_group"),
	KEY("primary_group", V_TEXT),
	KEY("selinux-user", V_TEXT, .instead = "write selinux_user"),
	KEY("selinux_user", V_TEXT),
	KEY("shell", V_TEXT),
	KEY("snapuser", V_TEXT),
	KEY("ssh-authorized-keys", V_LIST, .items = V_TEXT, .instead = "write ssh_authorized_keys"),
	KEY("ssh-import-id", V_LIST, .items = V_TEXT, .instead = "write ssh_import_id"),
	KEY("ssh_authorized_keys", V_LIST, .items = V_TEXT),
	KEY("ssh_import_id", V_LIST, .items = V_TEXT),
	KEY("ssh_redirect_user", V_BOOL),
	KEY("sudo", V_TEXT | V_LIST | V_BOOL | V_NULL),
	KEY("system", V_BOOL),
	KEY("uid", V_INT | V_TEXT),
	KEYS_END,
};

static const struct key vendor_data_keys[] = {
	KEY("enabled", V_BOOL | V_TEXT),
	KEY("prefix", V_TEXT | V_LIST),
	KEYS_END,
};

static const struct key wireguard_keys[] = {
	KEY("interfaces", V_LIST, .items = V_MAP, .required = true),
	KEY("readinessprobe", V_LIST, .items = V_TEXT),
	KEYS_END,
};

static const struct key write_file_keys[] = {
	KEY("append", V_BOOL),
	KEY("content", V_TEXT),
	KEY("defer", V_BOOL),
	KEY("encoding", V_TEXT,
	    .values = WORDS("gz", "gzip", "gz+base64", "gzip+base64", "gz+b64", "gzip+b64", "b64",
			    "base64", "text/plain")),
	KEY("owner", V_TEXT),
	KEY("path", V_TEXT, .required = true),
	KEY("permissions", V_TEXT),
	KEY("source", V_MAP),
	KEYS_END,
};

const struct key cloud_config_keys[] = {
	KEY("add_apt_repo_match", V_TEXT, .instead = "write apt: { add_apt_repo_match: ... }"),
	KEY("allow_public_ssh_keys", V_BOOL),
	KEY("ansible", V_MAP),
	KEY("apk_repos", V_MAP),
	KEY("apt", V_MAP, .inside = apt_keys),
	KEY("apt_custom_sources_list", V_TEXT, .instead = "write apt: { sources_list: ... }"),
	KEY("apt_ftp_proxy", V_TEXT, .instead = "write apt: { ftp_proxy: ... }"),
	KEY("apt_http_proxy", V_TEXT, .instead = "write apt: { http_proxy: ... }"),
	KEY("apt_https_proxy", V_TEXT, .instead = "write apt: { https_proxy: ... }"),
	KEY("apt_mirror", V_TEXT,
	    .instead = "write apt: { primary: [ { arches: [default], uri: ... } ] }"),
	KEY("apt_mirror_search", V_LIST,
	    .instead = "write apt: { primary: [ { arches: [default], search: ... } ] }"),
	KEY("apt_mirror_search_dns", V_BOOL,
	    .instead = "write apt: { primary: [ { arches: [default], search_dns: ... } ] }"),
	KEY("apt_pipelining", V_INT | V_BOOL | V_TEXT),
	KEY("apt_preserve_sources_list", V_BOOL,
	    .instead = "write apt: { preserve_sources_list: ... }"),
	KEY("apt_proxy", V_TEXT, .instead = "write apt: { proxy: ... }"),
	KEY("apt_reboot_if_required", V_BOOL, .instead = "write package_reboot_if_required"),
	KEY("apt_sources", V_LIST | V_MAP, .instead = "write apt: { sources: ... }"),
	KEY("apt_update", V_BOOL, .instead = "write package_update"),
	KEY("apt_upgrade", V_BOOL, .instead = "write package_upgrade"),
	KEY("authkey_hash", V_TEXT),
	KEY("autoinstall", V_MAP),
	KEY("bootcmd", V_LIST, .items = V_TEXT | V_LIST),
	KEY("byobu_by_default", V_TEXT),
	KEY("ca-certs", V_MAP, .inside = ca_certs_keys, .instead = "write ca_certs"),
	KEY("ca_certs", V_MAP, .inside = ca_certs_keys),
	KEY("chef", V_MAP),
	KEY("chpasswd", V_MAP, .inside = chpasswd_keys),
	KEY("cloud_config_modules", V_LIST),
	KEY("cloud_final_modules", V_LIST),
	KEY("cloud_init_modules", V_LIST),
	KEY("create_hostname_file", V_BOOL),
	KEY("datasource", V_MAP, .ignored = true,
	    .instead = "the data source is chosen before user-data is read"),
	KEY("datasource_list", V_LIST, .ignored = true,
	    .instead = "the data source is chosen before user-data is read"),
	KEY("debconf_selections", V_TEXT | V_MAP,
	    .instead = "write apt: { debconf_selections: ... }"),
	KEY("debug", 0),
	KEY("def_log_file", V_TEXT),
	KEY("device_aliases", V_MAP),
	KEY("disable_ec2_metadata", V_BOOL),
	KEY("disable_piwiz", V_BOOL),
	KEY("disable_root", V_BOOL),
	KEY("disable_root_opts", V_TEXT),
	KEY("disk_setup", V_MAP),
	KEY("drivers", V_MAP),
	KEY("enable_rpi_connect", V_BOOL),
	KEY("fan", V_MAP),
	KEY("final_message", V_TEXT),
	KEY("fqdn", V_TEXT),
	KEY("fs_setup", V_LIST, .items = V_MAP, .inside = fs_setup_keys),
	KEY("groups", V_TEXT | V_LIST | V_MAP),
	KEY("growpart", V_MAP, .inside = growpart_keys),
	KEY("grub-dpkg", V_MAP, .instead = "write grub_dpkg"),
	KEY("grub_dpkg", V_MAP),
	KEY("hostname", V_TEXT),
	KEY("keyboard", V_MAP, .inside = keyboard_keys),
	KEY("landscape", V_MAP),
	KEY("launch-index", V_INT),
	KEY("locale", V_TEXT | V_BOOL),
	KEY("locale_configfile", V_TEXT),
	KEY("log_cfgs", V_LIST),
	KEY("lxd", V_MAP),
	KEY("manage-resolv-conf", V_BOOL, .instead = "write manage_resolv_conf"),
	KEY("manage_etc_hosts", V_BOOL | V_TEXT, .values = WORDS("localhost", "template")),
	KEY("manage_resolv_conf", V_BOOL),
	KEY("manual_cache_clean", V_BOOL),
	KEY("mcollective", V_MAP),
	KEY("merge_how", V_TEXT | V_LIST),
	KEY("merge_type", V_TEXT | V_LIST),
	KEY("migrate", V_BOOL),
	KEY("mount_default_fields", V_LIST),
	KEY("mounts", V_LIST, .items = V_LIST),
	KEY("network", V_MAP, .ignored = true,
	    .instead = "network settings belong into network-config"),
	KEY("no_ssh_fingerprints", V_BOOL),
	KEY("ntp", V_MAP | V_NULL, .inside = ntp_keys),
	KEY("output", V_MAP),
	KEY("package_reboot_if_required", V_BOOL),
	KEY("package_update", V_BOOL),
	KEY("package_upgrade", V_BOOL),
	KEY("packages", V_LIST, .items = V_TEXT | V_LIST | V_MAP),
	KEY("password", V_TEXT),
	KEY("phone_home", V_MAP, .inside = phone_home_keys),
	KEY("power_state", V_MAP, .inside = power_state_keys),
	KEY("prefer_fqdn_over_hostname", V_BOOL),
	KEY("preserve_hostname", V_BOOL),
	KEY("puppet", V_MAP),
	KEY("random_seed", V_MAP, .inside = random_seed_keys),
	KEY("reporting", V_MAP),
	KEY("resize_rootfs", V_BOOL | V_TEXT, .values = WORDS("noblock")),
	KEY("resolv_conf", V_MAP, .inside = resolv_conf_keys),
	KEY("rh_subscription", V_MAP),
	KEY("rpi_interfaces", V_MAP),
	KEY("rpi_userconf", V_MAP),
	KEY("rsyslog", V_MAP | V_LIST),
	KEY("runcmd", V_LIST, .items = V_TEXT | V_LIST | V_NULL),
	KEY("salt_minion", V_MAP),
	KEY("snap", V_MAP, .inside = snap_keys),
	KEY("spacewalk", V_MAP),
	KEY("ssh", V_MAP, .inside = ssh_console_keys),
	KEY("ssh_authorized_keys", V_LIST, .items = V_TEXT),
	KEY("ssh_deletekeys", V_BOOL),
	KEY("ssh_fp_console_blacklist", V_LIST, .items = V_TEXT),
	KEY("ssh_genkeytypes", V_LIST, .items = V_TEXT),
	KEY("ssh_import_id", V_LIST, .items = V_TEXT),
	KEY("ssh_key_console_blacklist", V_LIST, .items = V_TEXT),
	KEY("ssh_keys", V_MAP, .inside = ssh_host_keys),
	KEY("ssh_publish_hostkeys", V_MAP, .inside = publish_keys),
	KEY("ssh_pwauth", V_BOOL | V_TEXT, .values = WORDS("unchanged", "yes", "no")),
	KEY("ssh_quiet_keygen", V_BOOL),
	KEY("ssh_svcname", V_TEXT),
	KEY("swap", V_MAP, .inside = swap_keys),
	KEY("syslog_fix_perms", V_TEXT | V_LIST),
	KEY("system_info", V_MAP),
	KEY("timezone", V_TEXT),
	KEY("ubuntu_advantage", V_MAP),
	KEY("ubuntu_pro", V_MAP),
	KEY("unverified_modules", V_LIST),
	KEY("updates", V_MAP, .inside = updates_keys),
	KEY("user", V_TEXT | V_MAP, .inside = user_keys),
	KEY("users", V_LIST | V_TEXT | V_MAP, .items = V_TEXT | V_LIST | V_MAP,
	    .inside = user_keys),
	KEY("vendor_data", V_MAP, .inside = vendor_data_keys),
	KEY("vendor_data2", V_MAP, .inside = vendor_data_keys),
	KEY("version", 0),
	KEY("wireguard", V_MAP | V_NULL, .inside = wireguard_keys),
	KEY("write_files", V_LIST, .items = V_MAP, .inside = write_file_keys),
	KEY("yum_repo_dir", V_TEXT),
	KEY("yum_repos", V_MAP),
	KEY("zypper", V_MAP),
	KEYS_END,
};
