//! Sends the iterable that the application returned. The worker calls its `close()`.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PySlice, PyString, PyTuple, PyType};

use crate::errors::{not_a_body, not_bytes, not_started};
use crate::wsgi::file_wrapper::{Content, FileWrapper};
use crate::wsgi::reply::Reply;
use crate::wsgi::reply_slot::ReplySlot;

/// Sends everything that the iterable yields. A list is sent as a whole. Any other iterable is sent piece by
/// piece, each piece before the next is asked for (PEP 3333, "Buffering and Streaming"). Returns whether the
/// iterable is used up.
pub(crate) fn respond(
    py: Python<'_>,
    slot: &ReplySlot,
    result: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    if let Ok(list) = result.cast_exact::<PyList>() {
        return send_list(py, slot, || list.iter()).map(|()| true);
    }
    if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        return send_list(py, slot, || tuple.iter()).map(|()| true);
    }
    let used_up = iterate(py, slot, result)?;
    slot.in_turn(py, end_body)??;
    Ok(used_up)
}

/// Writes the head of a reply without a body, which fails without memory.
fn end_body(reply: &mut Reply) -> PyResult<()> {
    if !reply.head.started() {
        return Err(not_started());
    }
    Ok(reply.begin(Some(0))?)
}

/// The iterable's `close`, to be called at the end of every request (PEP 3333). `None` if it has none, or if the
/// call would have no effect, as for a generator that is `used_up`.
pub(crate) fn close_method<'py>(
    result: &Bound<'py, PyAny>,
    used_up: bool,
    generators: &Bound<'py, PyType>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let is_plain = result.is_exact_instance_of::<PyList>()
        || result.is_exact_instance_of::<PyTuple>()
        || used_up && result.get_type().is(generators);
    if is_plain {
        return Ok(None);
    }
    result.getattr_opt(pyo3::intern!(result.py(), "close"))
}

fn iterate(py: Python<'_>, slot: &ReplySlot, result: &Bound<'_, PyAny>) -> PyResult<bool> {
    match result.cast_exact::<FileWrapper>() {
        Ok(wrapper) => send_wrapped(py, slot, wrapper),
        Err(_) => {
            if result.is_instance_of::<PyString>() && result.is_truthy()? {
                return Err(not_a_body(result)); // its items are of one character each
            }
            let items = result.try_iter().map_err(|error| {
                let is_ours = error.traceback(py).is_none(); // else it comes from its `__iter__`
                if is_ours { not_a_body(result) } else { error }
            })?;
            // An iterable of one item gets a Content-Length, as PEP 3333 suggests.
            let single = result.len().is_ok_and(|len| len == 1);
            return stream(py, slot, items, single);
        }
    }?;
    Ok(true)
}

/// Sends a list, which is all of the body. All items are known, so their total length is, and no code of the
/// application runs between them.
fn send_list<'py, I>(py: Python<'py>, slot: &ReplySlot, items: impl Fn() -> I) -> PyResult<()>
where
    I: Iterator<Item = Bound<'py, PyAny>>,
{
    let (mut total, mut plain) = (0, true);
    for item in items() {
        let piece = Piece::of(&item)?;
        total += piece.len();
        plain &= matches!(piece, Piece::Bytes(_));
    }
    let known = Some(total as u64);
    if plain {
        // No code of the application runs while the reply is locked.
        return slot.in_turn(py, |reply| {
            if !reply.head.started() {
                return Err(not_started());
            }
            for item in items() {
                if let Ok(bytes) = item.cast::<PyBytes>() {
                    reply.append(bytes, known)?;
                }
            }
            end_body(reply)
        })?;
    }
    must_have_started(py, slot)?;
    for item in items() {
        Piece::of(&item)?.send(py, slot, known)?;
    }
    slot.in_turn(py, end_body)?
}

/// Sends a wrapped file. Where its length can be asked for without harm, the length corrects a larger
/// Content-Length of the application.
fn send_wrapped<'py>(
    py: Python<'py>,
    slot: &ReplySlot,
    wrapper: &Bound<'py, FileWrapper>,
) -> PyResult<()> {
    slot.in_turn(py, |reply| reply.of_file = true)?;
    match wrapper.get().content(py) {
        Content::File(real) => {
            must_have_started(py, slot)?;
            slot.in_turn(py, |reply| {
                reply.append_file(real.file, real.offset, real.size)
            })??;
        }
        Content::Memory(bytes, at) => {
            must_have_started(py, slot)?;
            let length = (bytes.as_bytes().len() - at) as u64;
            slot.in_turn(py, |reply| {
                reply.will_have(length);
                reply.append_from(&bytes, at, Some(length))
            })??;
        }
        Content::Unsized => {
            let mut blocks = wrapper.try_iter()?;
            let (mut first, mut held) = (Vec::new(), 0);
            while held < HELD_BACK {
                let Some(block) = blocks.next() else {
                    slot.in_turn(py, |reply| reply.will_have(held as u64))?;
                    return send_list(py, slot, || first.iter().cloned());
                };
                let block = block?;
                held += block.len()?;
                first.push(block);
            }
            stream(py, slot, first.into_iter().map(Ok).chain(blocks), false)?;
        }
        Content::Unknown => {
            stream(py, slot, wrapper.try_iter()?, false)?;
        }
    }
    Ok(())
}

/// Sends the items one by one; returns whether all were used. `single`: there is only one.
fn stream<'py>(
    py: Python<'py>,
    slot: &ReplySlot,
    items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    single: bool,
) -> PyResult<bool> {
    for item in items {
        let item = item?;
        let piece = Piece::of(&item)?;
        if piece.len() == 0 {
            continue;
        }
        must_have_started(py, slot)?;
        piece.send(py, slot, single.then(|| piece.len() as u64))?;
        if !single {
            slot.flush_in_turn(py)?;
        }
        if slot.in_turn(py, |reply| reply.task.is_reply_full())? {
            // The rest would be dropped, and an endless iterable would hold the worker for nothing.
            return Ok(false);
        }
    }
    Ok(true)
}

fn must_have_started(py: Python<'_>, slot: &ReplySlot) -> PyResult<()> {
    if slot.in_turn(py, |reply| reply.head.started())? {
        Ok(())
    } else {
        Err(not_started())
    }
}

/// One item of the iterable. PEP 3333 asks for bytes; other buffers are accepted as well.
enum Piece<'a, 'py> {
    Bytes(&'a Bound<'py, PyBytes>),
    /// A view, and its number of bytes.
    Buffer(Bound<'py, PyAny>, usize),
}

impl<'a, 'py> Piece<'a, 'py> {
    fn of(item: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = item.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes));
        }
        let Ok(buffer) = PyBuffer::<u8>::get(item) else {
            return Err(not_bytes(item));
        };
        let view = if buffer.dimensions() == 1 {
            PyMemoryView::from(item)?
        } else {
            // A view with several dimensions cannot be sliced.
            PyMemoryView::from(&item.py().get_type::<PyBytes>().call1((item,))?)?
        };
        Ok(Self::Buffer(view.into_any(), buffer.len_bytes()))
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(_, len) => *len,
        }
    }

    /// Appends the item to the reply. A buffer may change later, so it is copied; a large one in parts, each sent
    /// before the next is copied.
    fn send(&self, py: Python<'py>, slot: &ReplySlot, known: Option<u64>) -> PyResult<()> {
        let (view, len) = match self {
            Self::Bytes(bytes) => {
                return Ok(slot.in_turn(py, |reply| reply.append(bytes, known))??);
            }
            Self::Buffer(view, len) => (view, *len as isize),
        };
        for at in (0..len).step_by(COPIED as usize) {
            if at > 0 {
                slot.flush_in_turn(py)?;
            }
            let part = view.get_item(PySlice::new(py, at, at + COPIED, 1))?;
            let part = PyBuffer::<u8>::get(&part)?;
            slot.in_turn(py, |reply| reply.append_copy(py, &part, known))??;
        }
        Ok(())
    }
}

/// How many bytes of a buffer are copied at a time.
const COPIED: isize = 256 * 1024;
/// How many bytes of a file of unknown length are read before the head is sent. A shorter file gets a
/// Content-Length.
const HELD_BACK: usize = 64 * 1024;
