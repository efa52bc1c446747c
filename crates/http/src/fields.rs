//! One field line: `field-name ":" OWS field-value OWS` (RFC 9112 §5).

use std::ops::Range;

use crate::bytes::{find, is_token, token_length, trim_ows};
use crate::refusal::Refusal;

/// Where the parts of a field line are, counted from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldLine {
    /// The name ends where the colon is.
    pub(crate) name: Range<usize>,
    /// The value without the whitespace around it.
    pub(crate) value: Range<usize>,
}

/// Parses a non-empty field line without its CRLF. The caller has made sure that it holds no control
/// bytes except HTAB, so every byte left may stand in a value (obs-text included, RFC 9110 §5.5).
///
/// # Errors
///
/// [`Refusal::LineFolding`], [`Refusal::SpaceBeforeColon`] or [`Refusal::FieldName`].
#[inline]
pub(crate) fn parse_field_line(line: &[u8]) -> Result<FieldLine, Refusal> {
    let colon = match find(line, b':') {
        Some(colon) if is_token(&line[..colon]) => colon,
        _ => return Err(name_refusal(line, token_length(line))),
    };
    let after = &line[colon + 1..];
    let is_text = |&byte: &u8| byte != b' ' && byte != b'\t';
    let start = after.iter().position(is_text).unwrap_or(0);
    let end = after.iter().rposition(is_text).map_or(0, |last| last + 1);
    Ok(FieldLine {
        name: 0..colon,
        value: colon + 1 + start..colon + 1 + end,
    })
}

/// Names the rule that a line breaks whose name stops being a token at `stop`.
#[cold]
fn name_refusal(line: &[u8], stop: usize) -> Refusal {
    match (stop, line.get(stop)) {
        (0, Some(b' ' | b'\t')) => Refusal::LineFolding,
        (_, Some(b' ' | b'\t')) if trim_ows(&line[stop..]).starts_with(b":") => {
            Refusal::SpaceBeforeColon
        }
        _ => Refusal::FieldName,
    }
}
