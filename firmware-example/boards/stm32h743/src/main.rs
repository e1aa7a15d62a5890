//! Nucleo-H743ZI: the chip's Ethernet over RMII, PHY LAN8742A.
#![no_std]
#![no_main]

use board_app::{consume, Sockets};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{Config, Runner};
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::peripherals::{ETH, ETH_SMA, RNG};
use embassy_stm32::{bind_interrupts, rcc, rng, uid};
use panic_probe as _;
use static_cell::ConstStaticCell;

bind_interrupts!(struct Irqs {
    ETH => eth::InterruptHandler;
    RNG => rng::InterruptHandler<RNG>;
});

type Mac = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;

/// Four frames of each direction, in AXI SRAM: the DMA does not reach the tightly coupled memory.
static PACKETS: ConstStaticCell<PacketQueue<4, 4>> = ConstStaticCell::new(PacketQueue::new());
static SOCKETS: ConstStaticCell<Sockets> = ConstStaticCell::new(Sockets::new());

/// 400 MHz from the internal oscillator, and 48 MHz for the generator of random numbers.
fn clocks() -> embassy_stm32::Config {
    let mut config = embassy_stm32::Config::default();
    config.rcc.hsi48 = Some(Default::default());
    config.rcc.pll1 = Some(rcc::Pll {
        source: rcc::PllSource::HSI,
        prediv: rcc::PllPreDiv::DIV4,
        mul: rcc::PllMul::MUL50,
        divp: Some(rcc::PllDiv::DIV2),
        divq: None,
        divr: None,
        fracn: None,
    });
    config.rcc.sys = rcc::Sysclk::PLL1_P;
    config.rcc.ahb_pre = rcc::AHBPrescaler::DIV2;
    config.rcc.apb1_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb2_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb3_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb4_pre = rcc::APBPrescaler::DIV2;
    config.rcc.voltage_scale = rcc::VoltageScale::Scale1;
    config
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_stm32::init(clocks());
    let mut rng = rng::Rng::new(p.RNG, Irqs);
    let mut random = [0; 40];
    rng.fill_bytes(&mut random);
    let (seed, stack_seed) = random.split_at(32);

    // of this chip, and locally administered
    let id = uid::uid();
    let address = [2, id[0], id[2], id[4], id[8], id[11]];
    let mac = Ethernet::new(
        PACKETS.take(),
        p.ETH,
        Irqs,
        p.PA1,
        p.PA7,
        p.PC4,
        p.PC5,
        p.PG13,
        p.PB13,
        p.PG11,
        address,
        p.ETH_SMA,
        p.PA2,
        p.PC1,
    );
    let stack_seed = u64::from_le_bytes(defmt::unwrap!(stack_seed.try_into().ok()));
    let (stack, runner) = embassy_net::new(mac, Config::dhcpv4(Default::default()), SOCKETS.take(), stack_seed);
    spawner.spawn(defmt::unwrap!(network(runner)));
    consume(stack, defmt::unwrap!(seed.try_into().ok())).await
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Mac>) -> ! {
    runner.run().await
}
