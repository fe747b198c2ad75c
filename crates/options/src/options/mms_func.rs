//! `mms_func`: the service of an MMS confirmed request or response.
//!
//! *Spec*: ISO 9506-2 §7 (tags of confirmed services); Snort 3 manual, `mms_func`.

use crate::code_match::{Accept, CodeMatch, Names};
use crate::def::{Kind, OptionDef, ParseCx, Parsed, Repeat};
use crate::value::Problem;
use tapir_protocol::Service;

pub(super) static DEF: OptionDef = OptionDef {
    name: "mms_func",
    kind: Kind::NonPayload,
    summary: "checks the service of an MMS request or response",
    grammar: "CODE|NAME",
    docs: "True if a confirmed request or response is of this service, by number (0 to 255) or by name such as \
           `get_name_list`.",
    repeat: Repeat::Any,
    services: &[Service::Mms],
    parse,
};

const NAMES: Names = &[
    ("status", 0),
    ("get_name_list", 1),
    ("identify", 2),
    ("rename", 3),
    ("read", 4),
    ("write", 5),
    ("get_variable_access_attributes", 6),
    ("define_named_variable", 7),
    ("define_scattered_access", 8),
    ("get_scattered_access_attributes", 9),
    ("delete_variable_access", 10),
    ("define_named_variable_list", 11),
    ("get_named_variable_list_attributes", 12),
    ("delete_named_variable_list", 13),
    ("define_named_type", 14),
    ("get_named_type_attributes", 15),
    ("delete_named_type", 16),
    ("input", 17),
    ("output", 18),
    ("take_control", 19),
    ("relinquish_control", 20),
    ("define_semaphore", 21),
    ("delete_semaphore", 22),
    ("report_semaphore_status", 23),
    ("report_pool_semaphore_status", 24),
    ("report_semaphore_entry_status", 25),
    ("initiate_download_sequence", 26),
    ("download_segment", 27),
    ("terminate_download_sequence", 28),
    ("initiate_upload_sequence", 29),
    ("upload_segment", 30),
    ("terminate_upload_sequence", 31),
    ("request_domain_download", 32),
    ("request_domain_upload", 33),
    ("load_domain_content", 34),
    ("store_domain_content", 35),
    ("delete_domain", 36),
    ("get_domain_attributes", 37),
    ("create_program_invocation", 38),
    ("delete_program_invocation", 39),
    ("start", 40),
    ("stop", 41),
    ("resume", 42),
    ("reset", 43),
    ("kill", 44),
    ("get_program_invocation_attributes", 45),
    ("obtain_file", 46),
    ("define_event_condition", 47),
    ("delete_event_condition", 48),
    ("get_event_condition_attributes", 49),
    ("report_event_condition_status", 50),
    ("alter_event_condition_monitoring", 51),
    ("trigger_event", 52),
    ("define_event_action", 53),
    ("delete_event_action", 54),
    ("get_event_action_attributes", 55),
    ("report_event_action_status", 56),
    ("define_event_enrollment", 57),
    ("delete_event_enrollment", 58),
    ("alter_event_enrollment", 59),
    ("report_event_enrollment_status", 60),
    ("get_event_enrollment_attributes", 61),
    ("acknowledge_event_notification", 62),
    ("get_alarm_summary", 63),
    ("get_alarm_enrollment_summary", 64),
    ("read_journal", 65),
    ("write_journal", 66),
    ("initialize_journal", 67),
    ("report_journal_status", 68),
    ("create_journal", 69),
    ("delete_journal", 70),
    ("get_capability_list", 71),
    ("file_open", 72),
    ("file_read", 73),
    ("file_close", 74),
    ("file_rename", 75),
    ("file_delete", 76),
    ("file_directory", 77),
    ("additional_service", 78),
    ("get_data_exchange_attributes", 80),
    ("exchange_data", 81),
    ("define_access_control_list", 82),
    ("get_access_control_list_attributes", 83),
    ("report_access_controlled_objects", 84),
    ("delete_access_control_list", 85),
    ("change_access_control", 86),
    ("reconfigure_program_invocation", 87),
];

fn parse(cx: &mut ParseCx<'_>) -> Result<Parsed, Problem> {
    CodeMatch::parse(cx, "mms_func", Accept::NumberOrName, NAMES, |view| Some(view.mms()?.service))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Facts, compile_one, matches, problems, with_view};
    use tapir_protocol::MmsFacts;

    #[test]
    fn services_go_by_number_or_name() {
        let view = Facts { mms: Some(MmsFacts { service: 81 }), ..Facts::default() };
        let test = |text| with_view(&view, |ev, cursor| compile_one(text).eval(ev, cursor));
        assert!(test("mms_func:exchange_data") && test("mms_func:81"));
        assert!(!test("mms_func:status") && !test("mms_func:80"));
        assert!(!matches("mms_func:0;", b""), "outside MMS");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(problems("mms_func:256")[0].contains("outside 0 to 255"));
        assert!(problems("mms_func:Read")[0].contains("no argument"));
        assert_eq!(compile_one("mms_func:4").canonical(), "mms_func:read");
        assert_eq!(compile_one("mms_func:79").canonical(), "mms_func:79");
    }
}
