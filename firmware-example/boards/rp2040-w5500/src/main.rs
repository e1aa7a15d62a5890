//! W5500-EVB-Pico: a W5500 at SPI0 of an RP2040, used as a MAC; its own TCP rests.
#![no_std]
#![no_main]

use board_app::{consume, Sockets};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{Config, Runner};
use embassy_net_wiznet::chip::W5500;
use embassy_net_wiznet::{Device, State};
use embassy_rp::clocks::RoscRng;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, SPI0};
use embassy_rp::spi::{Async, Spi};
use embassy_rp::{bind_interrupts, dma, spi};
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use panic_probe as _;
use portable_atomic as _;
use static_cell::ConstStaticCell;

bind_interrupts!(struct Irqs {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
});

type Bus = ExclusiveDevice<Spi<'static, SPI0, Async>, Output<'static>, Delay>;
type Chip = embassy_net_wiznet::Runner<'static, W5500, Bus, Input<'static>, Output<'static>>;

/// Two frames of each direction: the W5500 keeps 16 KB.
static STATE: ConstStaticCell<State<2, 2>> = ConstStaticCell::new(State::new());
static SOCKETS: ConstStaticCell<Sockets> = ConstStaticCell::new(Sockets::new());

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_rp::init(Default::default());
    let mut random = [0; 32];
    // slow and not for keys; here it keeps a fleet from acting in step
    RoscRng.fill_bytes(&mut random);

    let mut config = spi::Config::default();
    config.frequency = 33_000_000;
    let bus = Spi::new(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, p.DMA_CH0, p.DMA_CH1, Irqs, config);
    let select = Output::new(p.PIN_17, Level::High);
    let bus = defmt::unwrap!(ExclusiveDevice::new(bus, select, Delay).ok());
    let interrupt = Input::new(p.PIN_21, Pull::Up);
    let reset = Output::new(p.PIN_20, Level::High);
    // locally administered
    let address = [2, random[0], random[1], random[2], random[3], random[4]];
    let chip = embassy_net_wiznet::new(address, STATE.take(), bus, interrupt, reset).await;
    let (device, chip) = defmt::unwrap!(chip.ok(), "a W5500 at SPI0");
    spawner.spawn(defmt::unwrap!(mac(chip)));

    let config = Config::dhcpv4(Default::default());
    let (stack, runner) = embassy_net::new(device, config, SOCKETS.take(), RoscRng.next_u64());
    spawner.spawn(defmt::unwrap!(network(runner)));
    consume(stack, random).await
}

#[embassy_executor::task]
async fn mac(chip: Chip) -> ! {
    chip.run().await
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Device<'static>>) -> ! {
    runner.run().await
}
