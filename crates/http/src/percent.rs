//! Percent-decoding of request paths (RFC 3986 §2.1).

use memchr::memchr;

/// Appends `raw` to `out` with every `%XX` replaced by the byte it stands for.
///
/// A `%` not followed by two hexadecimal digits stays as it is, as in Python's
/// `urllib.parse.unquote_to_bytes`, and `+` stays `+`: a path is not a form.
pub fn percent_decode(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        let digits = rest
            .get(at + 1..at + 3)
            .and_then(|pair| Some((hex(pair[0])?, hex(pair[1])?)));
        if let Some((high, low)) = digits {
            out.push(high << 4 | low);
            rest = &rest[at + 3..];
        } else {
            out.push(b'%');
            rest = &rest[at + 1..];
        }
    }
    out.extend_from_slice(rest);
}

/// The value of one hexadecimal digit.
#[inline]
pub(crate) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_as_unquote_to_bytes_does() {
        let rows: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b"/plain", b"/plain"),
            (b"/a%2Fb%2f", b"/a/b/"),
            (b"%C3%a9", b"\xc3\xa9"),
            (b"%00%ff", b"\x00\xff"),
            (b"100%", b"100%"),
            (b"%4", b"%4"),
            (b"%zz%41", b"%zzA"),
            (b"%%41", b"%A"),
            (b"%2541", b"%41"), // decoded once, not twice
            (b"a+b", b"a+b"),
            (b"%+1", b"%+1"), // integer parsers take a sign, this must not
        ];
        for (raw, want) in rows {
            let mut out = b">".to_vec();
            percent_decode(raw, &mut out);
            assert_eq!(&out[1..], *want, "{}", raw.escape_ascii());
        }
    }
}
