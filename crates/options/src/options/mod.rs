//! The registry of options: one file each, listed here in the order of their names.

use crate::def::OptionDef;
use crate::value::{Problem, code};
use tapir_protocol::BufferId;
use tapir_rules::OptionNode;

mod ack;
mod base64_data;
mod base64_decode;
mod ber_data;
mod ber_skip;
mod buffer;
mod bufferlen;
mod byte_extract;
mod byte_jump;
mod byte_math;
mod byte_test;
mod cip_attribute;
mod cip_class;
mod cip_conn_path_class;
mod cip_instance;
mod cip_req;
mod cip_rsp;
mod cip_service;
mod cip_status;
mod content;
mod cvs;
mod dce_iface;
mod dce_opnum;
mod detection_filter;
mod dnp3_func;
mod dnp3_ind;
mod dnp3_obj;
mod dsize;
mod enable;
mod enip_command;
mod enip_req;
mod enip_rsp;
mod flags;
mod flow;
mod flowbits;
mod fragbits;
mod fragoffset;
mod gtp_info;
mod gtp_type;
mod gtp_version;
mod http_header_test;
mod http_max_header_line;
mod http_max_trailer_line;
mod http_num_cookies;
mod http_num_headers;
mod http_num_trailers;
mod http_param;
mod http_trailer_test;
mod http_version_match;
mod icmp_id;
mod icmp_seq;
mod icode;
mod id;
mod iec104_apci_type;
mod iec104_asdu_func;
mod ip_proto;
mod ipopts;
mod isdataat;
mod itype;
mod md5;
mod mms_func;
mod modbus_func;
mod modbus_unit;
mod noalert;
mod pcre;
mod regex;
mod rem;
mod replace;
mod rpc;
mod s7commplus_func;
mod s7commplus_opcode;
mod sameip;
mod sd_pattern;
mod seq;
mod service;
mod sha256;
mod sha512;
mod sip_method;
mod sip_stat_code;
mod ssl_state;
mod ssl_version;
mod stream_reassemble;
mod stream_size;
mod tag;
mod target;
mod threshold;
mod tos;
mod ttl;
mod unsupported;
mod window;

pub use content::fuzz_content;
pub use flowbits::declare;

/// Every option that is understood. `buffer` stands for all names of the catalogue of buffers.
pub static OPTIONS: &[&OptionDef] = &[
    &ack::DEF,
    &base64_data::DEF,
    &base64_decode::DEF,
    &ber_data::DEF,
    &ber_skip::DEF,
    &buffer::DEF,
    &bufferlen::DEF,
    &byte_extract::DEF,
    &byte_jump::DEF,
    &byte_math::DEF,
    &byte_test::DEF,
    &cip_attribute::DEF,
    &cip_class::DEF,
    &cip_conn_path_class::DEF,
    &cip_instance::DEF,
    &cip_req::DEF,
    &cip_rsp::DEF,
    &cip_service::DEF,
    &cip_status::DEF,
    &content::DEF,
    &cvs::DEF,
    &dce_iface::DEF,
    &dce_opnum::DEF,
    &detection_filter::DEF,
    &dnp3_func::DEF,
    &dnp3_ind::DEF,
    &dnp3_obj::DEF,
    &dsize::DEF,
    &enable::DEF,
    &enip_command::DEF,
    &enip_req::DEF,
    &enip_rsp::DEF,
    &flags::DEF,
    &flow::DEF,
    &flowbits::DEF,
    &fragbits::DEF,
    &fragoffset::DEF,
    &gtp_info::DEF,
    &gtp_type::DEF,
    &gtp_version::DEF,
    &http_header_test::DEF,
    &http_max_header_line::DEF,
    &http_max_trailer_line::DEF,
    &http_num_cookies::DEF,
    &http_num_headers::DEF,
    &http_num_trailers::DEF,
    &http_param::DEF,
    &http_trailer_test::DEF,
    &http_version_match::DEF,
    &icmp_id::DEF,
    &icmp_seq::DEF,
    &icode::DEF,
    &id::DEF,
    &iec104_apci_type::DEF,
    &iec104_asdu_func::DEF,
    &ip_proto::DEF,
    &ipopts::DEF,
    &isdataat::DEF,
    &itype::DEF,
    &md5::DEF,
    &mms_func::DEF,
    &modbus_func::DEF,
    &modbus_unit::DEF,
    &noalert::DEF,
    &pcre::DEF,
    &regex::DEF,
    &rem::DEF,
    &replace::DEF,
    &rpc::DEF,
    &s7commplus_func::DEF,
    &s7commplus_opcode::DEF,
    &sameip::DEF,
    &sd_pattern::DEF,
    &seq::DEF,
    &service::DEF,
    &sha256::DEF,
    &sha512::DEF,
    &sip_method::DEF,
    &sip_stat_code::DEF,
    &ssl_state::DEF,
    &ssl_version::DEF,
    &stream_reassemble::DEF,
    &stream_size::DEF,
    &tag::DEF,
    &target::DEF,
    &threshold::DEF,
    &tos::DEF,
    &ttl::DEF,
    &window::DEF,
];

/// The definition of an option by its name in rules.
pub fn definition(name: &str) -> Option<&'static OptionDef> {
    if BufferId::ALL
        .iter()
        .any(|id| id.name() == name && !matches!(id, BufferId::Base64Data | BufferId::HttpParam | BufferId::GtpInfo))
    {
        return Some(&buffer::DEF);
    }
    OPTIONS.iter().copied().find(|def| def.name == name && def.name != buffer::DEF.name)
}

/// What is wrong with an option that has no definition.
pub(crate) fn unknown(node: &OptionNode) -> Problem {
    if let Some(reason) = unsupported::reason(&node.name) {
        let message = format!("option `{}` is not supported", node.name);
        return Problem::new(code::UNSUPPORTED, node.name_span, message).help(reason);
    }
    let problem = Problem::new(code::UNKNOWN_OPTION, node.name_span, format!("unknown option `{}`", node.name));
    if MODIFIERS.contains(&node.name.as_str()) {
        let value = node.value.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
        return problem.help(format!("Snort 3 writes it behind the content: `content:\"…\",{}{value}`", node.name));
    }
    match nearest(&node.name) {
        Some(name) => problem.help(format!("did you mean `{name}`?")),
        None => problem,
    }
}

/// Options of Snort 2.9 and Suricata that are words of `content` in Snort 3.
const MODIFIERS: [&str; 6] = ["nocase", "offset", "depth", "distance", "within", "fast_pattern"];

/// A known name that differs by one letter.
fn nearest(name: &str) -> Option<&'static str> {
    let buffers = BufferId::ALL.iter().map(|id| id.name());
    OPTIONS.iter().map(|def| def.name).chain(buffers).find(|known| one_apart(name.as_bytes(), known.as_bytes()))
}

fn one_apart(a: &[u8], b: &[u8]) -> bool {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = |s: &[u8], skip: usize| s.get(head + skip..).map(<[u8]>::to_vec);
    a.len().abs_diff(b.len()) <= 1
        && [(1, 0), (0, 1), (1, 1)].into_iter().any(|(x, y)| rest(a, x).is_some() && rest(a, x) == rest(b, y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::problems;

    /// Modules of this folder that define no single option.
    const OTHERS: &[&str] = &["mod", "unsupported"];

    #[test]
    fn every_file_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/options");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| !OTHERS.contains(&name.as_str()))
            .collect();
        files.sort();
        let names: Vec<_> = OPTIONS.iter().map(|def| def.name).collect();
        assert_eq!(files, names, "sorted, one file each, named like the option");
    }

    #[test]
    fn every_option_is_documented() {
        for def in OPTIONS {
            assert!(def.summary.len() > 5 && def.docs.len() > 20 && !def.summary.ends_with('.'), "{}", def.name);
        }
    }

    #[test]
    fn unknown_options_are_named_with_a_hint() {
        assert_eq!(problems("contents:\"A\"")[0], "unknown option `contents`");
        let modifier = &crate::testing::compile_rule(&crate::testing::parse_rule("offset:3")).1[0];
        assert!(modifier.help.as_ref().unwrap().contains(",offset 3`"));
        assert_eq!(nearest("contents"), Some("content"));
        assert_eq!(nearest("htp_uri"), Some("http_uri"));
        assert_eq!(nearest("nonsense"), None);
        assert_eq!(problems("asn1:print")[0], "option `asn1` is not supported");
        assert_eq!(problems("buffer")[0], "unknown option `buffer`");
    }
}
