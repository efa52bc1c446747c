//! The handler of signals that stop a server, as the kernel calls it.
//!
//! An interpreter's own handler does not do. It works in a child, too, until the child's first
//! instruction in Python: it would write to the parent's socket. It goes before the process does, and the
//! same stop told twice would kill. And it hides what handlers in C were there.
//!
//! So [`take`] puts this handler over what there was, of which the interpreter learns nothing. In a child,
//! and when its time is over, the handler does what was there before.
//!
//! Rules: what runs in the handler calls only what signal-safety(7) lists, takes no lock and allocates
//! nothing; it does not touch the statics in a child, which may share them (`vfork`).
//! Elsewhere: what a signal means (`mod.rs`, which reads the socket), and which ones are taken.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU64};
use std::time::Duration;
use std::{mem, ptr};

use libc::{c_int, c_void, siginfo_t};

use crate::net::socket::SEND_FLAGS;
use crate::signals::SAME_STOP;

/// What a signal is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// To end the process at once, as it ends without a handler. As process 1 it would not: there the
    /// kernel drops signals that nobody handles.
    Leave,
    /// To stop the server.
    Stop,
    /// To tell the server something.
    Tell,
    /// It stopped the server, which has ended. What is the same stop is over, too; whatever comes later
    /// does what was there before.
    Stopped,
    /// The server has ended, and there is nobody to be told.
    Deaf,
}

/// What there is for a signal, but for this handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The kernel's default action.
    Default,
    /// Nothing.
    Ignored,
    /// Somebody's handler.
    Handler,
}

/// What there is for the signal `number`, whoever has installed it.
///
/// # Errors
///
/// There is no such signal.
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

/// Handles the signal `number`. With `chained`, a handler that is there is called, too.
///
/// # Errors
///
/// There is no such signal, or it cannot be handled.
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

/// From now on, signals that are taken go to `socket`, and the next one to stop is the first.
pub fn tell(socket: RawFd) {
    FIRST_STOP.store(0, SeqCst);
    SOCKET.store(socket, SeqCst);
}

/// Whether a signal to stop has come since [`tell`].
pub fn stop_came() -> bool {
    FIRST_STOP.load(SeqCst) != 0
}

/// The server has ended, and its socket is about to be closed. The handler goes; where the process ends,
/// too (`to_the_end`), or a stop is not over, it stays, and does what was there before afterwards.
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

/// Signals that this handler still has although the server has ended.
pub fn lingering() -> Vec<c_int> {
    let lingers = |&(number, slot): &(c_int, &Slot)| {
        slot.is_of_this_process()
            && matches!(slot.role(), Role::Stopped | Role::Deaf)
            && current(number).is_ok_and(|action| is_ours(&action))
    };
    let slots = (0..).zip(&SLOTS).filter(lingers);
    slots.map(|(number, _)| number).collect()
}

/// Puts the handler back that somebody has replaced, for good: what was there before is forgotten, as
/// its code is about to go.
///
/// # Errors
///
/// There is no such signal.
pub fn outlast(number: c_int) -> io::Result<()> {
    slot(number)?.set_previous(DEFAULT);
    install(number)
}

/// What is known of one signal.
struct Slot {
    /// The process that it is taken in. 0: in none.
    process: AtomicI32,
    role: AtomicU8,
    chained: AtomicBool,
    /// Never freed: a handler on another thread may be reading it.
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

/// Where the numbers of signals go.
static SOCKET: AtomicI32 = AtomicI32::new(-1);
/// When the first signal to stop came, in nanoseconds of the monotonic clock. 0: none has.
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

    /// Does what was there before.
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
        // SAFETY: neither of the two numbers that are none, so the kernel was given the address of a
        // handler, whose kind the flag tells; it is called where the kernel would have called it.
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

/// The handler.
extern "C" fn handle(number: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = errno::errno();
    if let Ok(slot) = slot(number) {
        act(slot, number, info, context);
    }
    errno::set_errno(errno); // what was interrupted may be about to read it
}

fn act(slot: &Slot, number: c_int, info: *mut siginfo_t, context: *mut c_void) {
    if !slot.is_of_this_process() {
        return slot.pass_on(number, info, context); // and the parent's socket is left alone
    }
    match slot.role() {
        Role::Leave => slot.pass_on(number, info, context),
        Role::Tell => write(number),
        Role::Stop => {
            let first = FIRST_STOP.compare_exchange(0, now(), SeqCst, SeqCst);
            let counts = first.map_or_else(|first| !is_same_stop(first), |_| true);
            if counts && slot.chained.load(SeqCst) {
                // First, while threads are as they were: it may look at them, as faulthandler does.
                slot.call_previous(number, info, context);
                // Some install themselves anew; the server's stop is to stay in front.
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

/// Ends the process by the signal; process 1, which that cannot end, as shells show such an end.
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
    // SAFETY: `byte` is readable. A socket that is full, shut down or not there fails: then somebody
    // wakes up anyway, or nobody is left to.
    unsafe {
        libc::send(
            SOCKET.load(SeqCst),
            (&raw const byte).cast(),
            1,
            SEND_FLAGS | libc::MSG_DONTWAIT,
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

/// Without `SA_RESTART`, as Python has it: a call that waits is to return for a handler in Python.
fn install(number: c_int) -> io::Result<()> {
    let action = libc::sigaction {
        sa_sigaction: handle as *const () as usize,
        sa_flags: libc::SA_SIGINFO | libc::SA_ONSTACK,
        ..DEFAULT
    };
    exchange(number, &raw const action, ptr::null_mut())
}

/// Gives the signal back, unless somebody else has taken it since.
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
    // SAFETY: both are null or valid, and `handle`, where it is installed, is safe in a handler.
    match unsafe { libc::sigaction(number, new, old) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "the structure differs from system to system")]
// SAFETY: all zeros is `SIG_DFL`, no flags and an empty mask.
static DEFAULT: libc::sigaction = unsafe { mem::zeroed() };
