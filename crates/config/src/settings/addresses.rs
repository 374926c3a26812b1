//! The addresses of a collector: whether they are any, and whether strangers would be let in.

use super::collector::{Collector, PluginKind};
use crate::config::Whole;
use crate::fault::Fault;
use crate::setting::Placed;

impl Whole for Collector {
    const TITLE: &'static str = "spanlaked";

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(pull) = self.receive.zeromq_pull.on()
            && pull.listen.parse::<std::net::SocketAddr>().is_err()
        {
            faults.push(no_address(&pull.listen, "receive.zeromq_pull.listen"));
        }
        for (name, asked) in self.receive.zeromq_subscribe.iter() {
            if !is_host_and_port(&asked.publisher) {
                let fault = Fault::new(asked.publisher.span, "this is no address of a publisher");
                let fault = fault.key(format!("receive.zeromq_subscribe.{name}.publisher"));
                faults.push(fault.expected("a host and a port, such as `orders.internal:5011`"));
            }
        }
        for (name, plugin) in self.plugins.iter() {
            if let PluginKind::PubsubZeromq(socket) = &plugin.kind
                && socket.listen.parse::<std::net::SocketAddr>().is_err()
            {
                faults.push(no_address(&socket.listen, &format!("plugins.{name}.listen")));
            }
        }
        match self.listen.parse::<std::net::SocketAddr>() {
            Err(_) => faults.push(no_address(&self.listen, "listen")),
            Ok(address) if !address.ip().is_loopback() && self.tokens.iter().next().is_none() => {
                let fault = Fault::new(self.listen.span, "strangers would be let in").key("listen");
                faults.push(fault.expected("an address of the own machine, or `tokens`"));
            }
            Ok(_) => {}
        }
        faults
    }
}

fn is_host_and_port(address: &str) -> bool {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && is_port(port))
}

fn no_address(listen: &Placed<String>, key: &str) -> Fault {
    let fault = Fault::new(listen.span, "this is no address").key(key);
    fault.expected("an address and a port, such as `127.0.0.1:4600` or `[::1]:4600`")
}
