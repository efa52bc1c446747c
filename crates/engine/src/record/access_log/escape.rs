//! Escapes and shortens the text that clients sent, in one pass.
//!
//! Rules: control characters, quotation marks, backslashes and bytes beyond ASCII become escapes, so that no
//! text ends a line, closes a quotation or moves a terminal's cursor. The work depends on the room left in the
//! line, not on the length of the text.

/// How many bytes a line may still take for clients' text, counted after escaping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    field: usize,
    line: usize,
}

impl Room {
    /// A whole line stays below 16 KiB: container runtimes split longer ones.
    pub(super) const FULL: Self = Self {
        field: 4096,
        line: 12_288,
    };
    /// For times when the writer is behind: short lines for all requests, rather than no line for some.
    pub(super) const SHORT: Self = Self {
        field: 256,
        line: 1024,
    };

    /// Appends `text` escaped. If it does not fit, appends its beginning and a mark.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, text: &[u8], style: &Style) {
        let start = out.len();
        let end = start + self.field.min(self.line);
        let mut rest = text;
        while let Some(byte) = rest.first() {
            let left = end - out.len();
            let window = &rest[..rest.len().min(left)];
            let plain = window
                .iter()
                .position(|byte| !style.plain[usize::from(*byte)])
                .unwrap_or(window.len());
            if plain > 0 {
                out.extend_from_slice(&window[..plain]);
                rest = &rest[plain..];
            } else if left >= style.escape.len() + 2 {
                out.extend_from_slice(style.escape);
                out.extend([byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]));
                rest = &rest[1..];
            } else {
                out.extend_from_slice(style.mark);
                break;
            }
        }
        self.line = self.line.saturating_sub(out.len() - start);
    }
}

/// How text is escaped.
pub(super) struct Style {
    /// Whether a byte is written as it is.
    plain: [bool; 256],
    /// Written before the two hexadecimal digits of an escaped byte.
    escape: &'static [u8],
    /// Written where text was cut off. Escaped text cannot contain the mark: its backslashes are escapes.
    mark: &'static [u8],
}

impl Style {
    const fn new(escape: &'static [u8], mark: &'static [u8], spaces: bool) -> Self {
        let mut plain = [false; 256];
        let mut byte = if spaces { b' ' } else { b'!' };
        while byte <= b'~' {
            plain[byte as usize] = byte != b'"' && byte != b'\\';
            byte += 1;
        }
        Self {
            plain,
            escape,
            mark,
        }
    }
}

/// For text between quotation marks.
pub(super) static TEXT: Style = Style::new(br"\x", br"\...", true);
/// For fields that a space ends.
pub(super) static WORD: Style = Style::new(br"\x", br"\...", false);
/// For JSON strings, with one character per byte. The mark is an ellipsis, which is no byte's character.
pub(super) static JSON: Style = Style::new(br"\u00", br"\u2026", true);

const HEX: [u8; 16] = *b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    fn put(room: &mut Room, text: &[u8], style: &Style) -> String {
        let mut out = Vec::new();
        room.put(&mut out, text, style);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_of_it_or_a_mark() {
        let room = Room {
            field: 8,
            line: 100,
        };
        for (text, style, want) in [
            (&b"12345678"[..], &TEXT, "12345678"),
            (b"123456789", &TEXT, r"12345678\..."),
            (b"1234\xff", &TEXT, r"1234\xff"),
            (b"12345\xff", &TEXT, r"12345\..."),
            (b"1234\xff5", &TEXT, r"1234\xff\..."),
            (b"\xff\xff\xff", &JSON, r"\u00ff\u2026"),
            (b"a b\t", &WORD, r"a\x20b\..."),
            (b"a b\\", &TEXT, r"a b\x5c"),
            (b"", &TEXT, ""),
        ] {
            let shown = text.escape_ascii();
            assert_eq!(put(&mut room.clone(), text, style), want, "{shown}");
        }
    }

    #[test]
    fn fields_of_a_line_share_its_room() {
        let mut room = Room { field: 8, line: 12 };
        assert_eq!(put(&mut room, b"12345678", &TEXT), "12345678");
        assert_eq!(put(&mut room, b"12345678", &TEXT), r"1234\...");
        assert_eq!(put(&mut room, b"12345678", &TEXT), r"\...");
        assert_eq!(put(&mut room, b"", &TEXT), "");
    }
}
