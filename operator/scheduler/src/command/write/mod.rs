//! Results into files: whole or not at all, and sums that hold to the last printed digit.

mod decimal;
mod sink;

pub(crate) use decimal::Decimals;
pub(crate) use sink::Sink;

/// A name as a CSV cell.
pub(crate) fn push_name(row: &mut String, name: &str) {
    if name.contains(['"', ',', '\n', '\r']) {
        row.push('"');
        row.push_str(&name.replace('"', "\"\""));
        row.push('"');
    } else {
        row.push_str(name);
    }
}

/// A number of things, for people.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
