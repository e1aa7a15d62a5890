//! ESP32-C3 and ESP32-C6: the chip's Wi-Fi. It is the one board with a heap, which Espressif's radio driver needs.
#![no_std]
#![no_main]

use board_app::{consume, Sockets};
use embassy_executor::Spawner;
use embassy_net::{Config, Runner};
use embassy_time::Timer;
use esp_backtrace as _;
use esp_hal::rng::Rng;
use esp_hal::timer::timg::TimerGroup;
use esp_println as _;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{AuthenticationMethodConfig, Interface, WifiController};
use static_cell::ConstStaticCell;

esp_bootloader_esp_idf::esp_app_desc!();

static SOCKETS: ConstStaticCell<Sockets> = ConstStaticCell::new(Sockets::new());

const NETWORK: &str = env!("WIFI_NETWORK", "the name of a Wi-Fi network");
const PASSWORD: &str = env!("WIFI_PASSWORD", "its password");

#[esp_rtos::main]
async fn main(spawner: Spawner) -> ! {
    let p = esp_hal::init(esp_hal::Config::default().with_cpu_clock(esp_hal::clock::CpuClock::max()));
    esp_alloc::heap_allocator!(size: 72 * 1024);
    esp_rtos::start(TimerGroup::new(p.TIMG0).timer0, p.FROM_CPU_INTR0);

    let password = AuthenticationMethodConfig::Wpa2Personal(defmt::unwrap!(PASSWORD.try_into().ok(), "64 bytes"));
    let network = defmt::unwrap!(NETWORK.try_into().ok(), "32 bytes");
    let station = StationConfig::default().with_ssid(network).with_authentication(password);
    let wifi = defmt::unwrap!(WifiController::new(p.WIFI, Default::default()).ok());
    // random numbers are random while the radio is on
    let (mut random, mut stack_seed) = ([0; 32], [0; 8]);
    Rng::new().read(&mut random);
    Rng::new().read(&mut stack_seed);

    let config = Config::dhcpv4(Default::default());
    let (stack, runner) =
        embassy_net::new(Interface::station(), config, SOCKETS.take(), u64::from_le_bytes(stack_seed));
    spawner.spawn(defmt::unwrap!(run(runner)));
    spawner.spawn(defmt::unwrap!(connect(wifi, station)));
    consume(stack, random).await
}

/// Joins the network, and again when it is lost.
#[embassy_executor::task]
async fn connect(mut wifi: WifiController<'static>, station: StationConfig) -> ! {
    defmt::unwrap!(wifi.set_config(&esp_radio::wifi::Config::Station(station)).ok());
    loop {
        match wifi.connect_async().await {
            Ok(_) => drop(wifi.wait_for_disconnect_async().await),
            Err(error) => defmt::warn!("{=str}: {}", NETWORK, defmt::Debug2Format(&error)),
        }
        Timer::after_secs(5).await;
    }
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Interface>) -> ! {
    runner.run().await
}
