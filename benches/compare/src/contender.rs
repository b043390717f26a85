//! The proxies that are compared, and the upstream they all have.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kyc_harness::gateway::Launch;
use kyc_harness::process::Process;

/// A running proxy; it ends when this is dropped.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    process: Process,
}

// === impl Contender ===

impl Contender {
    /// The control, as Pingora comes.
    pub(crate) fn bare_pingora(binaries: &Path) -> Result<Self, String> {
        Self::bare("bare Pingora", &binaries.join("bare-pingora"))
    }

    /// The control with the gateway's allocator.
    pub(crate) fn bare_pingora_mimalloc(binaries: &Path) -> Result<Self, String> {
        Self::bare("bare Pingora, mimalloc", &binaries.join("bare-pingora-mimalloc"))
    }

    fn bare(name: &'static str, binary: &Path) -> Result<Self, String> {
        let address = free_address()?;
        let process = pinned(binary, &[&address, UPSTREAM])?;
        Self::ready(name, &address, process)
    }

    /// The gateway with the default plugins, its access log on, as a user would run it.
    pub(crate) fn gateway(binaries: &Path, folder: &Path) -> Result<Self, String> {
        let address = free_address()?;
        let admin = free_address()?;
        let tenants = serde_json::json!({
            "Onfido-BaseUrl": format!("http://{UPSTREAM}/v3.6"),
            "Onfido-ApiTokens": serde_json::json!((0..1000).map(tenant).collect::<Vec<_>>()).to_string(),
        });
        write(&folder.join("tenants.json"), &tenants.to_string())?;
        let config = folder.join("gateway.toml");
        write(
            &config,
            &format!(
                "[server]\nthreads = 1\n[[listeners]]\nname = \"main\"\naddress = \"{address}\"\n\
                 [admin]\naddress = \"{admin}\"\n[tenants]\nsource = \"file\"\n\
                 [tenants.file]\npath = \"tenants.json\"\n"
            ),
        )?;
        let gateway = Launch::new(binaries.join("kyc-gateway"), config).through(PINNED);
        let process = gateway
            .spawn(Stdio::null(), Stdio::inherit())
            .map_err(|error| format!("cannot start kyc-gateway: {error}"))?;
        Self::ready("kyc-gateway", &address, process)
    }

    /// nginx doing the same job: the tenant header to a token by `map`, over 1,000 tenants.
    pub(crate) fn nginx(folder: &Path) -> Result<Self, String> {
        let address = free_address()?;
        let map: String = (0..1000).map(|n| format!("    sub-{n} \"Token token=token-{n}\";\n")).collect();
        let config = format!(
            "worker_processes 1;\ndaemon off;\nmaster_process off;\npid {folder}/proxy.pid;\nerror_log stderr crit;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n  access_log {folder}/access.log;\n  map_hash_max_size 8192;\n  \
             map $http_subscriptionid $credential {{\n{map}  }}\n  \
             upstream onfido {{ server {UPSTREAM}; keepalive 64; }}\n  server {{\n    listen {address};\n    \
             keepalive_requests 1000000000;\n    \
             location /dcs/kyc2/ {{\n      if ($credential = \"\") {{ return 401; }}\n      \
             proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      \
             proxy_set_header Authorization $credential;\n      proxy_set_header SubscriptionId \"\";\n      \
             proxy_pass http://onfido/v3.6/;\n    }}\n  }}\n}}\n",
            folder = folder.display()
        );
        let path = folder.join("proxy.conf");
        write(&path, &config)?;
        let process = pinned(Path::new("nginx"), &["-c", &path.to_string_lossy()])?;
        Self::ready("nginx", &address, process)
    }

    /// The CPU time that the process has used so far, in seconds (`/proc/PID/stat`, user and system).
    pub(crate) fn cpu_seconds(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/stat", self.process.pid());
        let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS_PER_SECOND)
    }

    fn ready(name: &'static str, address: &str, process: Process) -> Result<Self, String> {
        wait_for(address)?;
        let url = format!("http://{address}/dcs/kyc2/applicants/1030303-123123-123123");
        Ok(Self { name, url, process })
    }
}

/// nginx answering a small JSON document, on the other core.
pub(crate) fn start_upstream(folder: &Path) -> Result<Process, String> {
    let config = format!(
        "worker_processes 1;\ndaemon off;\nmaster_process off;\npid {folder}/upstream.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 1000000000;\n  server {{ listen {UPSTREAM};\n    \
         location / {{ default_type application/json; return 200 \
         '{{\"id\":\"1030303-123123-123123\",\"first_name\":\"Jane\",\"last_name\":\"Doe\"}}'; }} }} }}\n",
        folder = folder.display()
    );
    let path = folder.join("upstream.conf");
    write(&path, &config)?;
    let process = spawn("taskset", &["-c", LOAD_CORE, "nginx", "-c", &path.to_string_lossy()])?;
    wait_for(UPSTREAM)?;
    Ok(process)
}

fn tenant(number: usize) -> serde_json::Value {
    serde_json::json!({
        "Name": format!("tenant-{number}"),
        "subscriptionId": format!("sub-{number}"),
        "apiToken": format!("token-{number}"),
        "webhookId": format!("hook-{number}"),
        "ftosEndpoint": "http://127.0.0.1:9/portal",
        "ftosClientId": "client",
        "ftosUsername": "user",
        "ftosPassword": "password",
    })
}

/// Proxies share one core, so that none of them gains from parallelism; load and upstream have the other.
fn pinned(program: &Path, arguments: &[&str]) -> Result<Process, String> {
    let program = program.to_string_lossy();
    let [taskset, option, core] = PINNED;
    let arguments: Vec<&str> =
        [option, core, program.as_ref()].into_iter().chain(arguments.iter().copied()).collect();
    spawn(taskset, &arguments)
}

fn spawn(program: &str, arguments: &[&str]) -> Result<Process, String> {
    Process::spawn(Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()))
        .map_err(|error| format!("cannot start {program}: {error}"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn free_address() -> Result<String, String> {
    let address = kyc_harness::ports::free_address().map_err(|error| format!("no free port: {error}"))?;
    Ok(address.to_string())
}

/// Waits until something listens.
fn wait_for(address: &str) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(format!("nothing listens at {address}"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

const UPSTREAM: &str = "127.0.0.1:18999";
pub(crate) const PROXY_CORE: &str = "0";
const PINNED: [&str; 3] = ["taskset", "-c", PROXY_CORE];
pub(crate) const LOAD_CORE: &str = "1";
/// `sysconf(_SC_CLK_TCK)`, which is 100 on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;
