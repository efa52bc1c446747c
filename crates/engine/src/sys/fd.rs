//! Reading files by their descriptors.

use std::fs::File;
use std::io;

/// Reads into `buf` from `offset`; short only at the end of the file. The file's own position, which a
/// forked child shares, stays where it is.
///
/// # Errors
///
/// Those of the system; an interrupted read is repeated.
pub(crate) fn read_file_at(file: &File, offset: u64, mut buf: &mut [u8]) -> io::Result<usize> {
    let mut total = 0;
    while !buf.is_empty() {
        #[cfg(unix)]
        let got = std::os::unix::fs::FileExt::read_at(file, buf, offset + total as u64);
        #[cfg(windows)]
        let got = std::os::windows::fs::FileExt::seek_read(file, buf, offset + total as u64);
        match got {
            Ok(0) => break,
            Ok(n) => {
                total += n;
                buf = &mut buf[n..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
