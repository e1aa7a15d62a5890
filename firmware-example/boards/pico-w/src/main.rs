//! Pico W and Pico 2 W: a CYW43439 at a PIO.
#![no_std]
#![no_main]

use board_app::{consume, Sockets};
use cyw43::{JoinOptions, NetDriver, SpiBus, State};
use cyw43_pio::{PioSpi, DEFAULT_CLOCK_DIVIDER};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{Config, Runner};
use embassy_rp::clocks::RoscRng;
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::{DMA_CH0, PIO0};
use embassy_rp::pio::Pio;
use embassy_rp::{bind_interrupts, dma, pio};
use embassy_time::Timer;
use panic_probe as _;
use portable_atomic as _;
use static_cell::{ConstStaticCell, StaticCell};

bind_interrupts!(struct Irqs {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>;
    PIO0_IRQ_0 => pio::InterruptHandler<PIO0>;
});

static STATE: StaticCell<State> = StaticCell::new();
static SOCKETS: ConstStaticCell<Sockets> = ConstStaticCell::new(Sockets::new());

const NETWORK: &str = env!("WIFI_NETWORK", "the name of a Wi-Fi network");
const PASSWORD: &str = env!("WIFI_PASSWORD", "its password");

/// A file of the folder that `CYW43_FIRMWARE` names.
macro_rules! file {
    ($name:literal) => {
        cyw43::aligned_bytes!(concat!(env!("CYW43_FIRMWARE", "a folder with the radio's firmware"), "/", $name))
    };
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_rp::init(Default::default());
    let mut random = [0; 32];
    // slow and not for keys; here it keeps a fleet from acting in step
    RoscRng.fill_bytes(&mut random);

    let power = Output::new(p.PIN_23, Level::Low);
    let select = Output::new(p.PIN_25, Level::High);
    let mut pio = Pio::new(p.PIO0, Irqs);
    let channel = dma::Channel::new(p.DMA_CH0, Irqs);
    let (irq, data, clock) = (pio.irq0, p.PIN_24, p.PIN_29);
    let bus = PioSpi::new(&mut pio.common, pio.sm0, DEFAULT_CLOCK_DIVIDER, irq, select, data, clock, channel);
    let (firmware, nvram) = (file!("43439A0.bin"), file!("nvram_rp2040.bin"));
    let (device, mut control, radio) = cyw43::new(STATE.init(State::new()), power, bus, firmware, nvram).await;
    spawner.spawn(defmt::unwrap!(chip(radio)));
    control.init(file!("43439A0_clm.bin")).await;
    while let Err(error) = control.join(NETWORK, JoinOptions::new(PASSWORD.as_bytes())).await {
        defmt::warn!("{=str}: {}", NETWORK, error);
        Timer::after_secs(5).await;
    }

    let config = Config::dhcpv4(Default::default());
    let (stack, runner) = embassy_net::new(device, config, SOCKETS.take(), RoscRng.next_u64());
    spawner.spawn(defmt::unwrap!(network(runner)));
    consume(stack, random).await
}

#[embassy_executor::task]
async fn chip(runner: cyw43::Runner<'static, SpiBus<Output<'static>, PioSpi<'static, PIO0, 0>>>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, NetDriver<'static>>) -> ! {
    runner.run().await
}
