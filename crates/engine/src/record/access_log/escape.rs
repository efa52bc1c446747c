//! Text of clients in a line: escaped in one pass, and no more of it than there is room for.
//!
//! Rules: what could move a cursor, end a line or close a quotation is written as an escape, and so is
//! everything that is not ASCII; the work is bounded by the room, whatever the length of the text.

/// Bytes of a line that are left for what clients sent, as they are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    field: usize,
    line: usize,
}

impl Room {
    /// With the rest of a line this stays below 16 KiB, at which container runtimes split lines.
    pub(super) const FULL: Self = Self {
        field: 4096,
        line: 12_288,
    };
    /// While the writer does not keep up: better short lines of all than none of some.
    pub(super) const SHORT: Self = Self {
        field: 256,
        line: 1024,
    };

    /// Appends `text`, a mark behind it if it is not whole.
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

/// How text is written.
pub(super) struct Style {
    plain: [bool; 256],
    /// Before the two digits of a byte.
    escape: &'static [u8],
    /// Stands for what was cut off. No text can contain it, as every backslash is escaped.
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

/// Between quotation marks.
pub(super) static TEXT: Style = Style::new(br"\x", br"\...", true);
/// Where a space ends a field.
pub(super) static WORD: Style = Style::new(br"\x", br"\...", false);
/// In a JSON string, a byte a character: the mark, an ellipsis, is none of these.
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
