//! The way to MMS PDUs through ISO session, presentation and ACSE.
//!
//! *Limits*: [`MAX_PDUS`] PDUs of a message, [`MAX_SPDUS`] session headers.
//!
//! *Spec*: ITU-T X.225 §8.2 (session PDUs), X.226 §8 (presentation), X.227 §9 (ACSE), ISO 9506-2 §7
//! (MMS). Like Snort, MMS is also found where layers are left out.

use super::ber::{Element, element, elements};
use crate::wire::{be16, byte, size16};

/// PDUs of a message that are looked at.
pub(super) const MAX_PDUS: usize = 32;
/// Session headers that are skipped.
const MAX_SPDUS: usize = 4;

/// Session PDUs: give tokens and data transfer, connect, accept.
const GIVE_TOKENS_OR_DATA: u8 = 1;
const CONNECT: u8 = 13;
const ACCEPT: u8 = 14;
/// Session parameters: user data and extended user data.
const USER_DATA: u8 = 193;
const EXTENDED_USER_DATA: u8 = 194;

/// Presentation: connect or accept, and user data in presentation data values.
const CONNECT_PRESENTATION: u8 = 0x31;
const NORMAL_MODE: u8 = 0xa2;
const FULLY_ENCODED: u8 = 0x61;
const SEQUENCE: u8 = 0x30;
/// The encodings of a value: any ASN.1 type, octets, bits.
const VALUE: [u8; 4] = [0xa0, 0x81, 0xa1, 0x82];

/// ACSE: associate request and response, their user information, which holds EXTERNALs.
const ASSOCIATE: [u8; 2] = [0x60, 0x61];
const USER_INFORMATION: u8 = 0xbe;
const EXTERNAL: u8 = 0x28;

/// The MMS PDUs of a COTP message.
pub(super) fn pdus(message: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    session(message, &mut found);
    found
}

fn session<'m>(message: &'m [u8], found: &mut Vec<&'m [u8]>) {
    let mut rest = message;
    for _ in 0..MAX_SPDUS {
        let Some((kind, parameters, behind)) = parameter(rest) else { return };
        match kind {
            GIVE_TOKENS_OR_DATA => rest = behind,
            CONNECT | ACCEPT => return user_data(parameters, found),
            _ => break,
        }
    }
    presentation(rest, found);
}

/// Code, content and what is behind: the form of session PDUs and of their parameters.
fn parameter(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (code, short) = (byte(bytes, 0)?, byte(bytes, 1)?);
    let (length, start) = if short == 0xff { (size16(be16(bytes, 2)?), 4) } else { (usize::from(short), 2) };
    let body = bytes.get(start..)?;
    let (content, behind) = body.split_at_checked(length).unwrap_or((body, &[]));
    Some((code, content, behind))
}

fn user_data<'m>(parameters: &'m [u8], found: &mut Vec<&'m [u8]>) {
    let mut rest = parameters;
    while let Some((code, content, behind)) = parameter(rest) {
        if matches!(code, USER_DATA | EXTENDED_USER_DATA) {
            presentation(content, found);
        }
        rest = behind;
    }
}

fn presentation<'m>(data: &'m [u8], found: &mut Vec<&'m [u8]>) {
    for outer in elements(data) {
        match outer.tag {
            CONNECT_PRESENTATION => {
                let normal = elements(outer.content).filter(|part| part.tag == NORMAL_MODE);
                for part in normal.flat_map(|mode| elements(mode.content)).filter(|part| part.tag == FULLY_ENCODED) {
                    values(part.content, found);
                }
            }
            FULLY_ENCODED => values(outer.content, found),
            _ => take(outer, found),
        }
    }
}

/// Presentation data values: of each the content of its last element.
fn values<'m>(list: &'m [u8], found: &mut Vec<&'m [u8]>) {
    for value in elements(list).filter(|value| value.tag == SEQUENCE) {
        for encoded in elements(value.content).filter(|part| VALUE.contains(&part.tag)) {
            for pdu in elements(encoded.content) {
                if ASSOCIATE.contains(&pdu.tag) { associate(pdu.content, found) } else { take(pdu, found) }
            }
        }
    }
}

fn associate<'m>(parts: &'m [u8], found: &mut Vec<&'m [u8]>) {
    let information = elements(parts).filter(|part| part.tag == USER_INFORMATION);
    for external in information.flat_map(|part| elements(part.content)).filter(|part| part.tag == EXTERNAL) {
        for encoded in elements(external.content).filter(|part| VALUE.contains(&part.tag)) {
            elements(encoded.content).for_each(|pdu| take(pdu, found));
        }
    }
}

fn take<'m>(pdu: Element<'m>, found: &mut Vec<&'m [u8]>) {
    // Confirmed request, response and error, unconfirmed, reject, cancel, initiate, conclude.
    let mms = matches!(pdu.tag, 0xa0..=0xa4 | 0x85 | 0x86 | 0xa7..=0xaa | 0x8b | 0x8c | 0xad);
    if mms && found.len() < MAX_PDUS {
        found.push(pdu.whole);
    }
}

/// The service of a confirmed request or response.
pub(super) fn service(pdu: &[u8]) -> Option<u8> {
    const MODIFIERS: u8 = SEQUENCE;
    const INTEGER: u8 = 2;
    let pdu = element(pdu).filter(|pdu| matches!(pdu.tag, 0xa0 | 0xa1))?;
    let invoke = element(pdu.content).filter(|invoke| invoke.tag == INTEGER)?;
    let mut service = element(invoke.rest)?;
    if service.tag == MODIFIERS {
        service = element(service.rest)?;
    }
    if service.is_context() { u8::try_from(service.number).ok() } else { None }
}
