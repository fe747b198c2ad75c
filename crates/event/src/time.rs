//! Time stamps as Snort and Suricata print them, in UTC.

use std::fmt::Write;
use tapir_packet::Timestamp;

struct Civil {
    year: i64,
    month: u32,
    day: u32,
    seconds: i64,
}

/// Days since 1970-01-01 to a date of the proleptic Gregorian calendar (era of 400 years).
fn civil(time: Timestamp) -> Civil {
    let secs = time.secs();
    let days = secs.div_euclid(86_400).saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: u32::try_from(month).unwrap_or(0),
        day: u32::try_from(day).unwrap_or(0),
        seconds: secs.rem_euclid(86_400),
    }
}

/// `MM/DD-HH:MM:SS.uuuuuu`, with `year` `YY/MM/DD-…` (Snort's `-y`).
pub fn snort_time(time: Timestamp, year: bool) -> String {
    let civil = civil(time);
    let mut text = String::with_capacity(24);
    if year {
        let _ = write!(text, "{:02}/", civil.year.rem_euclid(100));
    }
    let (hours, minutes, seconds) = clock(civil.seconds);
    let _ = write!(
        text,
        "{:02}/{:02}-{hours:02}:{minutes:02}:{seconds:02}.{:06}",
        civil.month,
        civil.day,
        time.subsec_micros()
    );
    text
}

/// `YYYY-MM-DDTHH:MM:SS.uuuuuu+0000` (Suricata EVE).
pub fn eve_time(time: Timestamp) -> String {
    let civil = civil(time);
    let (hours, minutes, seconds) = clock(civil.seconds);
    format!(
        "{:04}-{:02}-{:02}T{hours:02}:{minutes:02}:{seconds:02}.{:06}+0000",
        civil.year,
        civil.month,
        civil.day,
        time.subsec_micros()
    )
}

fn clock(seconds: i64) -> (i64, i64, i64) {
    (seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        let time = Timestamp::from_secs_nanos(1_700_000_000, 39_999_000);
        assert_eq!(snort_time(time, false), "11/14-22:13:20.039999");
        assert_eq!(snort_time(time, true), "23/11/14-22:13:20.039999");
        assert_eq!(eve_time(time), "2023-11-14T22:13:20.039999+0000");
        assert_eq!(eve_time(Timestamp(0)), "1970-01-01T00:00:00.000000+0000");
        assert_eq!(eve_time(Timestamp::from_secs_nanos(951_782_400, 0)), "2000-02-29T00:00:00.000000+0000");
        assert_eq!(eve_time(Timestamp(-1)), "1969-12-31T23:59:59.999999+0000");
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        eve_time(Timestamp(i64::MAX));
        eve_time(Timestamp(i64::MIN));
    }
}
