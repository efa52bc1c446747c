//! The native handler of signals that stop a server; the kernel calls it.
//!
//! Python's own handler is not enough, for three reasons. In a forked child it runs until the child's first
//! Python instruction, and writes to the parent's socket. Python removes it before the process ends, so a
//! second copy of the same stop would kill the process. And it hides the handlers that C code had installed.
//!
//! So [`take`] installs this handler over the one that was there; Python does not notice. In a forked child,
//! and after the server has ended, this handler does what the previous one would have done.
//!
//! Rules: what runs in the handler calls only what signal-safety(7) lists, takes no lock and allocates
//! nothing. In a child it does not write to the statics: after `vfork` they are the parent's.
//! Elsewhere: what a signal means (`mod.rs`, which reads the socket), and which signals are taken.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU64};
use std::time::Duration;
use std::{mem, ptr};

use libc::{c_int, c_void, siginfo_t};

use crate::net::socket::SEND_FLAGS;
use crate::signals::SAME_STOP;

/// What the handler does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// It ends the process at once, as the signal does without a handler. Process 1 needs this: the kernel
    /// drops its signals that have no handler.
    Leave,
    /// It stops the server.
    Stop,
    /// It passes the signal on to the server.
    Tell,
    /// The server has ended after this signal. Another copy of the same stop is ignored; a later signal does
    /// what the previous handler would have done.
    Stopped,
    /// The server has ended. The signal is ignored.
    Deaf,
}

/// What a signal would do without this handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The kernel's default action.
    Default,
    /// It is ignored.
    Ignored,
    /// It calls somebody else's handler.
    Handler,
}

/// What the signal `number` would do without this handler, whoever has installed that.
///
/// # Errors
///
/// No such signal exists.
pub fn action(number: c_int) -> io::Result<Action> {
    let slot = slot(number)?;
    let mut now = current(number)?;
    if is_ours(&now) {
        now = slot.previous();
    }
    Ok(match now.sa_sigaction {
        libc::SIG_DFL => Action::Default,
        libc::SIG_IGN => Action::Ignored,
        _ => Action::Handler,
    })
}

/// Installs this handler for the signal `number`. With `chained` it also calls the handler that was there.
///
/// # Errors
///
/// No such signal exists, or it cannot be handled.
pub fn take(number: c_int, role: Role, chained: bool) -> io::Result<()> {
    let slot = slot(number)?;
    let before = current(number)?;
    if !is_ours(&before) {
        slot.set_previous(before);
    }
    slot.chained.store(chained, SeqCst);
    slot.set_role(role);
    slot.process.store(std::process::id() as i32, SeqCst);
    install(number)
}

/// From now on the handler writes numbers to `socket`. The next stop counts as the first.
pub fn tell(socket: RawFd) {
    #[cfg(target_vendor = "apple")]
    raise_no_sigpipe(socket);
    FIRST_STOP.store(0, SeqCst);
    SOCKET.store(socket, SeqCst);
}

/// Whether a stopping signal has come since [`tell`].
pub fn stop_came() -> bool {
    FIRST_STOP.load(SeqCst) != 0
}

/// Ends the writing to the socket, which is about to be closed: the server has ended. Removes the handler,
/// unless the process ends, too (`to_the_end`), or another copy of the last stop may still come. A handler
/// that stays takes the roles [`Role::Stopped`] and [`Role::Deaf`].
pub fn release(to_the_end: bool) {
    SOCKET.store(-1, SeqCst);
    for (number, slot) in (0..).zip(&SLOTS) {
        if !slot.is_of_this_process() {
            continue;
        }
        match slot.role() {
            Role::Stop if to_the_end || is_same_stop(FIRST_STOP.load(SeqCst)) => {
                slot.set_role(Role::Stopped);
            }
            Role::Tell if to_the_end => slot.set_role(Role::Deaf),
            Role::Stop | Role::Tell => restore(number, slot),
            Role::Leave | Role::Stopped | Role::Deaf => {}
        }
    }
}

/// Ends the writing to the socket in a child of a parent process. From now on the signals that the child has taken
/// mean nothing, whenever they come: the parent decides when the child ends.
pub fn leave_to_parent() {
    SOCKET.store(-1, SeqCst);
    for slot in SLOTS.iter().filter(|slot| slot.is_of_this_process()) {
        if matches!(slot.role(), Role::Stop | Role::Tell) {
            slot.set_role(Role::Deaf);
        }
    }
}

/// Signals for which this handler is still installed after the server has ended.
pub fn lingering() -> Vec<c_int> {
    let lingers = |&(number, slot): &(c_int, &Slot)| {
        slot.is_of_this_process()
            && matches!(slot.role(), Role::Stopped | Role::Deaf)
            && current(number).is_ok_and(|action| is_ours(&action))
    };
    let slots = (0..).zip(&SLOTS).filter(lingers);
    slots.map(|(number, _)| number).collect()
}

/// Installs this handler again after somebody has replaced it. The previous handler is forgotten, since its
/// code is about to be unloaded.
///
/// # Errors
///
/// No such signal exists.
pub fn outlast(number: c_int) -> io::Result<()> {
    slot(number)?.set_previous(DEFAULT);
    install(number)
}

/// The state of one signal.
struct Slot {
    /// The process that has taken it; 0 if none has.
    process: AtomicI32,
    role: AtomicU8,
    chained: AtomicBool,
    /// Never freed: the handler may be reading it on another thread.
    previous: AtomicPtr<libc::sigaction>,
}

static SLOTS: [Slot; SIGNALS] = [const {
    Slot {
        process: AtomicI32::new(0),
        role: AtomicU8::new(Role::Leave as u8),
        chained: AtomicBool::new(false),
        previous: AtomicPtr::new(ptr::null_mut()),
    }
}; SIGNALS];
/// One more than the highest signal.
const SIGNALS: usize = 65;

/// Where the handler writes the numbers of signals; -1 for nowhere.
static SOCKET: AtomicI32 = AtomicI32::new(-1);
/// When the first stopping signal came, in nanoseconds of the monotonic clock; 0 if none has come.
static FIRST_STOP: AtomicU64 = AtomicU64::new(0);

impl Slot {
    fn is_of_this_process(&self) -> bool {
        self.process.load(SeqCst) == std::process::id() as i32
    }

    fn role(&self) -> Role {
        let roles = [Role::Leave, Role::Stop, Role::Tell, Role::Stopped];
        let role = self.role.load(SeqCst);
        let known = roles.into_iter().find(|&known| known as u8 == role);
        known.unwrap_or(Role::Deaf)
    }

    fn set_role(&self, role: Role) {
        self.role.store(role as u8, SeqCst);
    }

    #[expect(unsafe_code, reason = "a handler cannot take a lock")]
    fn previous(&self) -> libc::sigaction {
        // SAFETY: null, or from a box that `set_previous` has leaked.
        let previous = unsafe { self.previous.load(SeqCst).as_ref() };
        previous.copied().unwrap_or(DEFAULT)
    }

    fn set_previous(&self, action: libc::sigaction) {
        self.previous.store(Box::leak(Box::new(action)), SeqCst);
    }

    /// Does what the previous handler would have done.
    fn pass_on(&self, number: c_int, info: *mut siginfo_t, context: *mut c_void) {
        match self.previous().sa_sigaction {
            libc::SIG_IGN => {}
            libc::SIG_DFL => leave(number),
            _ => self.call_previous(number, info, context),
        }
    }

    #[expect(
        unsafe_code,
        reason = "a handler is called as the kernel would call it"
    )]
    fn call_previous(&self, number: c_int, info: *mut siginfo_t, context: *mut c_void) {
        let previous = self.previous();
        if previous.sa_sigaction == libc::SIG_DFL || previous.sa_sigaction == libc::SIG_IGN {
            return;
        }
        // SAFETY: it is neither `SIG_DFL` nor `SIG_IGN`, so it is the address of a handler that was given
        // to the kernel. The flag tells its kind, and the kernel would have called it here.
        unsafe {
            if previous.sa_flags & libc::SA_SIGINFO == 0 {
                mem::transmute::<usize, extern "C" fn(c_int)>(previous.sa_sigaction)(number);
            } else {
                mem::transmute::<usize, FullHandler>(previous.sa_sigaction)(number, info, context);
            }
        }
    }
}

type FullHandler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// The handler. It leaves `errno` as it was: the code that the signal interrupts may be about to read it.
extern "C" fn handle(number: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = errno::errno();
    if let Ok(slot) = slot(number) {
        act(slot, number, info, context);
    }
    errno::set_errno(errno);
}

fn act(slot: &Slot, number: c_int, info: *mut siginfo_t, context: *mut c_void) {
    if !slot.is_of_this_process() {
        return slot.pass_on(number, info, context); // the socket is the parent's
    }
    match slot.role() {
        Role::Leave => slot.pass_on(number, info, context),
        Role::Tell => write(number),
        Role::Stop => {
            let first = FIRST_STOP.compare_exchange(0, now(), SeqCst, SeqCst);
            let counts = first.map_or_else(|first| !is_same_stop(first), |_| true);
            if counts && slot.chained.load(SeqCst) {
                // The previous handler comes first, before any thread reacts to the stop: it may report
                // what the threads do, as faulthandler does.
                slot.call_previous(number, info, context);
                // Some handlers install themselves again. This one must stay in front.
                let _ = install(number);
            }
            write(number);
        }
        Role::Stopped if is_same_stop(FIRST_STOP.load(SeqCst)) => {}
        Role::Stopped => slot.pass_on(number, info, context),
        Role::Deaf => {}
    }
}

fn is_same_stop(first: u64) -> bool {
    let since = Duration::from_nanos(now().saturating_sub(first));
    first != 0 && since < SAME_STOP
}

/// Ends the process by the signal. Process 1 cannot end so: it exits with the status that shells show for
/// the signal.
#[expect(unsafe_code, reason = "nothing safe may be called in a handler")]
fn leave(number: c_int) -> ! {
    // SAFETY: all of them may be called in a handler; the set is valid and initialised.
    unsafe {
        libc::sigaction(number, &raw const DEFAULT, ptr::null_mut());
        let mut this: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut this);
        libc::sigaddset(&raw mut this, number);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const this, ptr::null_mut());
        libc::raise(number);
        libc::_exit(128 + number)
    }
}

#[expect(unsafe_code, reason = "nothing safe may be called in a handler")]
fn write(number: c_int) {
    let byte = number as u8;
    // SAFETY: `byte` is readable. The call fails if the socket is full, and its reader wakes up anyway, or if
    // it is closed, and no reader is left.
    unsafe {
        libc::send(
            SOCKET.load(SeqCst),
            (&raw const byte).cast(),
            1,
            SEND_FLAGS | libc::MSG_DONTWAIT,
        );
    }
}

/// Lets a write to `socket` whose reader is gone fail without a signal: here no flag of `send` says so.
#[cfg(target_vendor = "apple")]
#[expect(unsafe_code, reason = "the caller passes a descriptor as a number")]
fn raise_no_sigpipe(socket: RawFd) {
    let on: c_int = 1;
    // SAFETY: the value is valid for the call, and as long as the call says. A number that is not open is an error,
    // which the handler's `send` meets, too.
    unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_NOSIGPIPE,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        );
    }
}

/// Nanoseconds of the monotonic clock; never 0.
#[expect(unsafe_code, reason = "nothing safe may be called in a handler")]
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64).max(1)
}

fn slot(number: c_int) -> io::Result<&'static Slot> {
    let index = usize::try_from(number).ok();
    let slot = index.and_then(|index| SLOTS.get(index));
    slot.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn is_ours(action: &libc::sigaction) -> bool {
    action.sa_sigaction == handle as *const () as usize
}

fn current(number: c_int) -> io::Result<libc::sigaction> {
    let mut now = DEFAULT;
    exchange(number, ptr::null(), &raw mut now)?;
    Ok(now)
}

/// Installs the handler, without `SA_RESTART` as Python does: a call that waits must return, so that a
/// handler in Python can run.
fn install(number: c_int) -> io::Result<()> {
    let action = libc::sigaction {
        sa_sigaction: handle as *const () as usize,
        sa_flags: libc::SA_SIGINFO | libc::SA_ONSTACK,
        ..DEFAULT
    };
    exchange(number, &raw const action, ptr::null_mut())
}

/// Installs the previous handler again, unless somebody else has replaced this one.
fn restore(number: c_int, slot: &Slot) {
    if current(number).is_ok_and(|action| is_ours(&action)) {
        let previous = slot.previous();
        let _ = exchange(number, &raw const previous, ptr::null_mut());
    }
    slot.process.store(0, SeqCst);
}

#[expect(unsafe_code, reason = "no safe wrapper of sigaction exists")]
fn exchange(
    number: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> io::Result<()> {
    // SAFETY: both are null or valid, and `handle` calls only what is safe in a handler.
    match unsafe { libc::sigaction(number, new, old) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "the structure differs from system to system")]
// SAFETY: all zeros is `SIG_DFL`, no flags and an empty mask.
static DEFAULT: libc::sigaction = unsafe { mem::zeroed() };
