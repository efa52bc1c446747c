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
    !bytes.is_empty() && have_all(bytes, &TCHAR)
}

/// True if the table says so of every byte. It does of nearly every text, so this looks at all bytes, in groups that the
/// compiler unrolls, and stops at none.
#[inline]
fn have_all(bytes: &[u8], table: &[bool; 256]) -> bool {
    let (groups, rest) = bytes.as_chunks::<8>();
    let both = |all: bool, &byte: &u8| all & table[usize::from(byte)];
    let groups = groups
        .iter()
        .fold(true, |all, group| group.iter().fold(all, both));
    rest.iter().fold(groups, both)
}

/// How many bytes at the front may stand in a token.
#[inline]
pub(crate) fn token_length(bytes: &[u8]) -> usize {
    let other = bytes.iter().position(|&byte| !is_tchar(byte));
    other.unwrap_or(bytes.len())
}

/// Finds the first `wanted` byte.
#[inline]
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut from = 0;
    while let Some(word) = bytes[from..].first_chunk() {
        // A lane that becomes zero borrows from its high bit, and perhaps from lanes behind it.
        let lanes = u64::from_le_bytes(*word) ^ (u64::from(wanted) * ONES);
        let found = lanes.wrapping_sub(ONES) & !lanes & HIGH;
        if found != 0 {
            return Some(from + (found.trailing_zeros() / 8) as usize);
        }
        from += word.len();
    }
    let found = bytes[from..].iter().position(|&byte| byte == wanted);
    found.map(|at| from + at)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// True if the token `name` is `known`, whatever the case of its letters. `known` has small letters and hyphens only,
/// so that this takes a few vectors instead of a loop.
#[inline]
pub(crate) fn is_name<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    let Ok(name) = <&[u8; N]>::try_from(name) else {
        return false;
    };
    let lanes = name.iter().zip(known);
    lanes.fold(0, |other, (byte, known)| other | ((byte | 0x20) ^ known)) == 0
}

/// True for a control byte that may stand nowhere in a head: all of them but HTAB (RFC 9110 §5.5).
#[inline]
pub(crate) const fn is_forbidden_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// True if none of the bytes is a forbidden control byte.
#[inline]
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks();
    let is_block_text = |block| !has_control(block) || have_all(block, &TEXT);
    blocks.iter().all(is_block_text) && have_all(rest, &TEXT)
}

/// All bytes but those of [`is_forbidden_control`].
const TEXT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = !is_forbidden_control(byte as u8);
        byte += 1;
    }
    table
};

/// Finds the first control byte other than HTAB at or after `from`.
///
/// Since CR is one of them, this finds the end of a line and everything forbidden within it in one
/// pass.
#[inline]
pub(crate) fn find_control(bytes: &[u8], mut from: usize) -> Option<usize> {
    while let Some(block) = bytes.get(from..).and_then(<[u8]>::first_chunk)
        && !has_control(block)
    {
        from += block.len();
    }
    while let Some(word) = bytes.get(from..).and_then(<[u8]>::first_chunk) {
        match control_lanes(u64::from_le_bytes(*word)) {
            0 => from += word.len(),
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
    let found = rest.iter().position(|&byte| is_forbidden_control(byte));
    found.map(|at| from + at)
}

/// True if a byte is below 0x20 or equal to 0x7f. There is no way out of the loop, so that vectors do it.
#[inline]
fn has_control(block: &[u8; 32]) -> bool {
    let is_control = |byte: u8| byte < 0x20 || byte == 0x7f;
    block
        .iter()
        .fold(false, |any, &byte| any | is_control(byte))
}

/// Sets the high bit of every lane below 0x20 or equal to 0x7f. No carry or borrow crosses a lane:
/// the subtraction starts from lanes with the high bit set, the addition from lanes without it.
#[inline]
fn control_lanes(lanes: u64) -> u64 {
    let below_space = !((lanes | HIGH) - 0x20 * ONES);
    let is_del = (lanes & !HIGH) + ONES;
    (below_space | is_del) & !lanes & HIGH
}

/// A decimal number of 64 bits: digits only, where `u64::from_str` would accept a plus sign.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    (!digits.is_empty()).then_some(number)
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
                assert_eq!(is_text(&bytes), want.is_none(), "byte {byte:#04x} at {at}");
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
    }

    #[test]
    fn find_agrees_with_the_definition_for_every_byte_at_every_offset() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                let mut bytes = [b':' ^ 1; 20];
                bytes[at] = byte;
                assert_eq!(
                    find(&bytes, byte),
                    Some(if byte == b':' ^ 1 { 0 } else { at })
                );
                assert_eq!(
                    find(&bytes, b':'),
                    (byte == b':').then_some(at),
                    "{byte:#04x}"
                );
            }
        }
        assert_eq!(find(b"ab::", b':'), Some(2));
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
