//! Options that Snort or Suricata know and Tapir doesn't, with the reason.
//!
//! *How it fits*: a rule with one of them is skipped; the reason is the help of its diagnostic.

/// Why the option is not supported; `None` if nobody knows the option.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
}

const NAMES: &[(&[&str], &str)] = &[
    (&["so", "soid"], "shared-object rules are code of another engine"),
    (&["luajit", "lua", "luaxform"], "scripts are not run on traffic"),
    (&["asn1"], "it is gone in Snort 3; `ber_data` and `ber_skip` read BER elements"),
    (&["file_type", "file_meta", "file.magic", "filemagic"], "file types are not identified"),
    (&["filestore", "filemd5", "filesha1", "filesha256", "filesize"], "files are not kept or hashed"),
    (&["appids", "appid"], "applications are not identified beyond the service"),
    (
        &["opcua_msg_type", "opcua_msg_service", "opcua_node_id", "opcua_node_namespace_index"],
        "OPC UA is not inspected",
    ),
    (&["http2_frame_header", "http2_frame_data", "http2_decoded_header"], "HTTP/2 frames are not kept"),
    (
        &["socks_address_type", "socks_command", "socks_remote_address", "socks_remote_port", "socks_version"],
        "SOCKS is not inspected",
    ),
    (&["ftpbounce"], "it is an event of Snort 3's FTP inspector, not an option"),
    (&["activates", "activated_by", "dynamic", "session", "logto", "resp"], "it is gone in Snort 3"),
    (&["geoip", "iprep", "dataset", "datarep"], "it needs data that Tapir does not have"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_supported_option_is_listed() {
        for name in NAMES.iter().flat_map(|(names, _)| *names) {
            assert!(super::super::definition(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_reason_is_known_by_name() {
        assert!(reason("luajit").is_some());
        assert_eq!(reason("content"), None);
    }
}
