//! Byte classes of RFC 9110 §5 and the searches built on them. Everything here is pure and small; the
//! hot ones take eight bytes at a time, or a block that the compiler makes vectors of.

/// `tchar` (RFC 9110 §5.6.2): what a method, a field name or a transfer coding is made of.
const TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

/// True for a byte that may stand in a token.
#[inline]
pub(crate) fn is_tchar(byte: u8) -> bool {
    TCHAR[usize::from(byte)]
}

/// True for a non-empty run of [`is_tchar`] bytes.
#[inline]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_length(bytes) == bytes.len()
}

/// How many bytes at the front may stand in a token.
#[inline]
pub(crate) fn token_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(word) = bytes[length..].first_chunk()
        && has_letters_only(u64::from_le_bytes(*word))
    {
        length += word.len();
    }
    let other = bytes[length..].iter().position(|&b| !is_tchar(b));
    other.map_or(bytes.len(), |at| length + at)
}

/// True if the token `name` is `known`, whatever the case of its letters. `known` has small letters and hyphens only, so
/// that this takes a few vectors instead of a loop.
#[inline]
pub(crate) fn is_name<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    let Ok(name) = <&[u8; N]>::try_from(name) else {
        return false;
    };
    let lanes = name.iter().zip(known);
    lanes.fold(0, |other, (byte, known)| other | ((byte | 0x20) ^ known)) == 0
}

/// True if every lane is an ASCII letter or a hyphen, as in most names of fields. No carry or borrow crosses a lane.
#[inline]
fn has_letters_only(lanes: u64) -> bool {
    let all = |byte: u8| u64::from(byte) * ONES;
    let lower = (lanes | all(0x20)) & !HIGH;
    let letter = ((lower | HIGH) - all(b'a')) & ((all(b'z') | HIGH) - lower);
    let hyphen = !(((lanes & !HIGH) ^ all(b'-')) + !HIGH);
    (letter | hyphen) & !lanes & HIGH == HIGH
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// True for a control byte that may stand nowhere in a head: all of them but HTAB (RFC 9110 §5.5).
#[inline]
pub(crate) fn is_forbidden_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Finds the first control byte other than HTAB at or after `from`.
///
/// Since CR is one of them, this finds the end of a line and everything forbidden within it in one
/// pass.
#[inline]
pub(crate) fn find_control(bytes: &[u8], mut from: usize) -> Option<usize> {
    while let Some(block) = bytes.get(from..).and_then(<[u8]>::first_chunk::<BLOCK>)
        && !has_control(block)
    {
        from += BLOCK;
    }
    while let Some(word) = bytes.get(from..from + 8).and_then(<[u8]>::first_chunk) {
        let lanes = u64::from_le_bytes(*word);
        match control_lanes(lanes) {
            0 => from += 8,
            found => {
                let at = from + (found.trailing_zeros() / 8) as usize;
                if bytes[at] != b'\t' {
                    return Some(at);
                }
                from = at + 1;
            }
        }
    }
    let rest = bytes.get(from..)?;
    // Most rests have none. One look at the last eight bytes says so, even if it sees some for the second time.
    if let Some(last) = bytes.last_chunk()
        && control_lanes(u64::from_le_bytes(*last)) == 0
    {
        return None;
    }
    rest.iter()
        .position(|&b| is_forbidden_control(b))
        .map(|i| from + i)
}

/// True if a byte is below 0x20 or equal to 0x7f. There is no way out of the loop, so that vectors do it.
#[inline]
fn has_control(block: &[u8; BLOCK]) -> bool {
    let is_control = |byte: u8| byte < 0x20 || byte == 0x7f;
    block
        .iter()
        .fold(false, |any, &byte| any | is_control(byte))
}

const BLOCK: usize = 32;

/// Sets the high bit of every lane below 0x20 or equal to 0x7f. No carry or borrow crosses a lane:
/// the subtraction starts from lanes with the high bit set, the addition from lanes without it.
#[inline]
fn control_lanes(lanes: u64) -> u64 {
    let below_space = !((lanes | HIGH) - 0x20 * ONES);
    let is_del = (lanes & !HIGH) + ONES;
    (below_space | is_del) & !lanes & HIGH
}

/// Strips SP and HTAB, and nothing else, from both ends (`OWS`, RFC 9110 §5.6.3). Other servers stripped
/// all that Unicode calls white space, and requests could be smuggled past them.
#[inline]
pub(crate) fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The non-empty elements of a comma-separated list (RFC 9110 §5.6.1), each trimmed.
pub(crate) fn list_elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&b| b == b',')
        .map(trim_ows)
        .filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_control_agrees_with_the_definition_for_every_byte_at_every_offset() {
        for byte in 0..=255u8 {
            for at in 0..80 {
                let mut bytes = [b'a'; 80];
                bytes[at] = byte;
                let want = is_forbidden_control(byte).then_some(at);
                assert_eq!(find_control(&bytes, 0), want, "byte {byte:#04x} at {at}");
            }
        }
    }

    #[test]
    fn is_token_agrees_with_the_definition_for_every_byte_at_every_offset() {
        for byte in 0..=255u8 {
            for (length, fill) in [(1, b'x'), (8, b'-'), (19, b'Z'), (24, b'!')] {
                for at in 0..length {
                    let mut bytes = vec![fill; length];
                    bytes[at] = byte;
                    let bytes = bytes.as_slice();
                    assert_eq!(is_token(bytes), is_tchar(byte), "{}", bytes.escape_ascii());
                    let sound = if is_tchar(byte) { length } else { at };
                    assert_eq!(token_length(bytes), sound, "{}", bytes.escape_ascii());
                }
            }
        }
        assert!(!is_token(b""));
        assert!(has_letters_only(u64::from_le_bytes(*b"Azby-Zq-")));
        for other in [
            b'@', b'[', b'`', b'{', b'0', b'!', 0x0d, 0x2c, 0x2e, 0xad, 0xe1,
        ] {
            let mut word = *b"AzbyZqzz";
            word[3] = other;
            assert!(!has_letters_only(u64::from_le_bytes(word)), "{other:#04x}");
        }
    }

    #[test]
    fn is_name_agrees_with_the_definition_for_every_token_byte_at_every_offset() {
        let known = b"content-length";
        for byte in (0..=255u8).filter(|byte| is_tchar(*byte)) {
            for at in 0..known.len() {
                for mut name in [*known, known.to_ascii_uppercase().try_into().unwrap()] {
                    name[at] = byte;
                    let want = name.eq_ignore_ascii_case(known);
                    assert_eq!(is_name(&name, known), want, "{}", name.escape_ascii());
                }
            }
        }
        assert!(!is_name(b"content-lengths", known) && !is_name(b"", known));
    }

    #[test]
    fn find_control_is_not_misled_by_neighbours() {
        // A borrow or carry out of one lane would flag or hide the next.
        let cases: &[(&[u8], Option<usize>)] = &[
            (b"\t        ", None),
            (b"\t\t\t\t\t\t\t\t\t\r", Some(9)),
            (b"\x80\xff\x80\xff\x80\xff\x80\xff\x7f", Some(8)),
            (b"\t \x1f aaaaaa", Some(2)),
            (b"~~~~~~~~\x80~", None),
        ];
        for (bytes, want) in cases {
            assert_eq!(find_control(bytes, 0), *want, "{}", bytes.escape_ascii());
        }
        assert_eq!(find_control(b"\r\n", 2), None);
        assert_eq!(find_control(b"\r\n", 1), Some(1));
    }

    #[test]
    fn trim_ows_strips_space_and_tab_only() {
        assert_eq!(trim_ows(b" \t a b\t "), b"a b");
        assert_eq!(trim_ows(b"\xa0a\x85"), b"\xa0a\x85");
        assert_eq!(trim_ows(b" \t"), b"");
    }
}
