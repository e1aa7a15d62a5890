//! What both boards share: the core's timer and interrupts, an executor that sleeps, embassy's clock.

use super::board;
use core::cell::RefCell;
use core::ptr::{addr_of, read_volatile, write_volatile};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{syst::SystClkSource, NVIC, SYST};
use cortex_m_rt::{exception, ExceptionFrame};
use critical_section::Mutex;
use embassy_executor::{raw, Spawner};
use embassy_time_queue_utils::Queue;
use static_cell::StaticCell;

/// A block of 32-bit registers.
#[derive(Clone, Copy)]
pub(super) struct Registers(usize);

impl Registers {
    /// # Safety
    /// `base` is the address of a block of registers, `read` and `write` get offsets of registers in it, and none of them
    /// makes the device access memory.
    pub(super) const unsafe fn at(base: usize) -> Self {
        Registers(base)
    }

    pub(super) fn read(self, offset: usize) -> u32 {
        // SAFETY: a register, by the promise of `at`
        unsafe { read_volatile((self.0 + offset) as *const u32) }
    }

    pub(super) fn write(self, offset: usize, value: u32) {
        // SAFETY: a register, by the promise of `at`
        unsafe { write_volatile((self.0 + offset) as *mut u32, value) }
    }
}

/// Turns on an interrupt of the board and a tick each millisecond. `hz`: of the core's clock.
pub(super) fn enable(interrupt: u16, hz: u32) {
    #[derive(Clone, Copy)]
    struct Irq(u16);
    // SAFETY: the number is the board's and does not change
    unsafe impl InterruptNumber for Irq {
        fn number(self) -> u16 {
            self.0
        }
    }
    // SAFETY: called once, before anything else has the timer; `SysTick` does not use its registers
    let mut timer: SYST = unsafe { cortex_m::Peripherals::steal() }.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(hz / 1000 - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
    // SAFETY: no critical section is made of masked interrupts here
    unsafe { NVIC::unmask(Irq(interrupt)) };
}

static WOKEN: AtomicBool = AtomicBool::new(false);

#[export_name = "__pender"]
fn pender(_: *mut ()) {
    WOKEN.store(true, Ordering::Release);
}

/// Runs what `start` spawns, and sleeps while it has nothing to do.
pub fn run(start: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    let executor: &'static raw::Executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    start(executor.spawner());
    loop {
        // SAFETY: this is its only caller, and not from inside a task
        unsafe { executor.poll() };
        // A wake between the question and WFI: its interrupt stays pending, and so ends WFI.
        cortex_m::interrupt::free(|_| {
            if !WOKEN.swap(false, Ordering::Acquire) {
                cortex_m::asm::wfi();
            }
        });
    }
}

/// Sleeps until a frame comes, or until [`micros`](super::micros) is `at`. For programs without an executor.
pub fn sleep_until(at: u64) {
    let sleeps = || {
        // as in `run`: what wakes between the question and WFI ends it
        cortex_m::interrupt::free(|_| {
            let sleeps = !WOKEN.swap(false, Ordering::Acquire) && board::micros() < at;
            if sleeps {
                cortex_m::asm::wfi();
            }
            sleeps
        })
    };
    while sleeps() {}
}

/// Embassy's clock. Its alarms are looked for each millisecond, but its time is not made of ticks: those that come while the
/// host has no time for the emulator are lost.
struct Clock(Mutex<RefCell<Queue>>);

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock(Mutex::new(RefCell::new(Queue::new()))));

impl embassy_time_driver::Driver for Clock {
    fn now(&self) -> u64 {
        board::micros()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| self.0.borrow_ref_mut(cs).schedule_wake(at, waker));
    }
}

#[exception]
fn SysTick() {
    let now = board::micros();
    critical_section::with(|cs| CLOCK.0.borrow_ref_mut(cs).next_expiration(now));
}

#[exception]
unsafe fn DefaultHandler(number: i16) {
    board::interrupt(number);
    // the executor's turn is for nothing then, if its task has not been woken
    WOKEN.store(true, Ordering::Release);
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("fault at {=u32:#x}", frame.pc());
    crate::host::exit(101)
}

/// The most bytes of stack that were ever used, and how many there are.
pub fn stack_peak() -> (usize, usize) {
    extern "C" {
        static _stack_start: u32;
        static _stack_end: u32;
    }
    let (end, start) = (addr_of!(_stack_end), addr_of!(_stack_start));
    let size = start as usize - end as usize;
    // SAFETY: the linker script gives the stack these bounds, whole words of RAM; volatile, because what is above the stack
    // pointer is not ours
    let untouched = (0..size / 4)
        .take_while(|&word| unsafe { read_volatile(end.add(word)) } == cortex_m_rt::STACK_PAINT_VALUE)
        .count();
    (size - 4 * untouched, size)
}
