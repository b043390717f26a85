use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::future::{FutureExt, join_all};
use kyc_http_client::TransportError;
use kyc_model::UpstreamBase;
use kyc_model::testkit::{oauth_tenant, tenant};
use tokio::time::advance;

use super::*;
use crate::token_exchange::Grant;

/// What the provider does with one fetch.
#[derive(Debug)]
enum Answer {
    Token { life: u64 },
    Fails(TokenError),
    Slow { seconds: u64, life: u64 },
    Panics,
}

/// A provider that issues `token-1`, `token-2`… with a life of ten minutes, and does first what its script says.
#[derive(Clone, Default)]
struct Provider {
    script: Arc<Mutex<VecDeque<Answer>>>,
    fetches: Arc<AtomicUsize>,
    clients: Arc<Mutex<Vec<String>>>,
}

/// Records results.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

/// The service, its provider, and the offset of the system's clock in seconds.
struct Bench {
    tokens: AccessTokens,
    provider: Provider,
    seen: Seen,
    jump: Arc<AtomicU64>,
}

#[async_trait]
impl TokenIssuer for Provider {
    async fn fetch(&self, base: &UpstreamBase, client: &OAuthClient) -> Result<Grant, TokenError> {
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let id = if client.id.matches(b"oauth-id-acme") { "acme" } else { "other" };
        self.clients.lock().unwrap().push(format!("{id} {}", base.host()));
        let answer = self.script.lock().unwrap().pop_front();
        let life = match answer.unwrap_or(Answer::Token { life: 600 }) {
            Answer::Token { life } => life,
            Answer::Fails(error) => return Err(error),
            Answer::Slow { seconds, life } => {
                sleep(Duration::from_secs(seconds)).await;
                life
            }
            Answer::Panics => panic!("a bug"),
        };
        let authorization = HeaderValue::try_from(format!("Bearer token-{number}")).unwrap();
        Ok(Grant { authorization, life: Duration::from_secs(life) })
    }
}

impl TokenObserver for Seen {
    fn fetched(&self, tenant: &str, result: FetchResult) {
        self.0.lock().unwrap().push(format!("{tenant} {}", result.name()));
    }
}

impl Bench {
    fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        let (provider, seen, jump) = (Provider::default(), Seen::default(), Arc::<AtomicU64>::default());
        *provider.script.lock().unwrap() = script.into_iter().collect();
        let start = SystemTime::now();
        let (clock, began) = (Arc::clone(&jump), Instant::now());
        let system_clock =
            move || start + began.elapsed() + Duration::from_secs(clock.load(Ordering::SeqCst));
        let tokens = AccessTokens::with_issuer(provider.clone(), seen.clone(), system_clock);
        Self { tokens, provider, seen, jump }
    }

    /// The number of the token that a call of `acme` gets.
    async fn call(&self) -> Result<usize, TokenError> {
        number(self.tokens.authorization(&acme()).await)
    }

    fn fetches(&self) -> usize {
        self.provider.fetches.load(Ordering::SeqCst)
    }

    /// Lets background tasks run, without time passing.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

fn acme() -> Tenant {
    oauth_tenant("acme", "https://onfido.test/v3.6", "https://portal.test")
}

fn number(authorization: Result<HeaderValue, TokenError>) -> Result<usize, TokenError> {
    let text = authorization?;
    Ok(text.to_str().unwrap().strip_prefix("Bearer token-").unwrap().parse().unwrap())
}

fn unavailable() -> Answer {
    Answer::Fails(TokenError::Unavailable { status: 503, retry_after: None })
}

fn unusable() -> Answer {
    Answer::Fails(TokenError::Unusable("it is not the expected JSON"))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn concurrent_calls_fetch_one_token() {
    let bench = Bench::new([Answer::Slow { seconds: 1, life: 600 }]);

    let all = join_all((0..100).map(|_| bench.call())).await;

    assert!(all.iter().all(|token| matches!(token, Ok(1))), "{all:?}");
    assert_eq!(bench.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn api_token_needs_no_fetch() {
    let bench = Bench::new([]);
    let entry = tenant("acme", "https://onfido.test", "https://portal.test");

    let (waited, ready) = (bench.tokens.authorization(&entry).await.unwrap(), bench.tokens.ready(&entry));
    bench.tokens.refused(&entry, &waited);

    assert_eq!((waited.to_str().unwrap(), ready.is_some()), ("Token token=token-acme", true));
    assert_eq!(bench.fetches(), 0);
}

#[tokio::test(start_paused = true)]
async fn token_is_refreshed_in_the_background_while_calls_use_it() {
    let bench = Bench::new([Answer::Token { life: 600 }, Answer::Slow { seconds: 3, life: 600 }]);
    bench.call().await.unwrap();

    advance(seconds(569)).await;
    let before = bench.tokens.ready(&acme());
    advance(seconds(1)).await;
    let during: Vec<_> = (0..50).map(|_| bench.tokens.ready(&acme())).collect();
    bench.settle().await;
    let slow = bench.call().await.unwrap();
    sleep(seconds(4)).await;
    let after = bench.call().await.unwrap();

    assert!(before.is_some() && during.iter().all(|token| *token == before));
    assert_eq!((slow, after, bench.fetches()), (1, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn token_is_used_while_the_provider_is_away_and_not_after_its_end() {
    let away = || Answer::Fails(TokenError::Transport(TransportError::Timeout));
    let bench = Bench::new(std::iter::once(Answer::Token { life: 60 }).chain((0..200).map(|_| away())));
    bench.call().await.unwrap();

    let mut used = 0;
    while bench.tokens.ready(&acme()).is_some() {
        sleep(Duration::from_millis(100)).await;
        used += 1;
    }
    let fetches = bench.fetches();
    let late = bench.call().await;
    let later = bench.call().await;

    // 58 s, and ever fewer fetches: 30, 31, 32, 34, 38, 46, 56 s.
    assert!((575..=581).contains(&used), "{used}");
    assert!((6..=9).contains(&fetches), "{fetches}");
    assert!(matches!(late, Err(TokenError::Transport(_))) && later.is_err(), "{late:?}");
}

/// An empty 200 was never asked again (envoyproxy/envoy#42009).
#[tokio::test(start_paused = true)]
async fn odd_answers_are_asked_again_while_the_call_waits() {
    for odd in [
        unusable(),
        unavailable(),
        Answer::Fails(TokenError::RateLimited { retry_after: Some(seconds(2)) }),
        Answer::Fails(TokenError::Transport(TransportError::Timeout)),
        Answer::Slow { seconds: 4, life: 3 },
    ] {
        let text = format!("{odd:?}");
        let bench = Bench::new([odd]);

        let token = bench.call().await;

        assert!(matches!(token, Ok(2)), "{text}: {token:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn odd_answer_to_a_refresh_fails_no_call() {
    let bench = Bench::new([Answer::Token { life: 5 }, unusable(), Answer::Token { life: 5 }]);

    let mut tokens = Vec::new();
    for _ in 0..60 {
        tokens.push(bench.call().await.unwrap());
        sleep(Duration::from_millis(100)).await;
    }

    assert_eq!((tokens[0], tokens[34], tokens[45]), (1, 1, 3), "{tokens:?}");
}

#[tokio::test(start_paused = true)]
async fn wait_that_onfido_asks_for_is_kept_and_a_longer_one_fails_the_call() {
    let limited = Answer::Fails(TokenError::RateLimited { retry_after: Some(seconds(30)) });
    let bench = Bench::new([limited]);
    let began = Instant::now();

    let first = bench.call().await;
    let took = began.elapsed();
    let all = join_all((0..50).map(|_| bench.call())).await;
    advance(seconds(31)).await;
    let later = bench.call().await;

    assert!(matches!(first, Err(TokenError::RateLimited { .. })), "{first:?}");
    assert!(took < seconds(1) && all.iter().all(Result::is_err), "{took:?}");
    assert!(matches!(later, Ok(2)), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_client_fails_calls_at_once_and_is_asked_seldom() {
    let refused = || Answer::Fails(TokenError::Refused { status: 401 });
    let bench = Bench::new((0..99).map(|_| refused()));
    let began = Instant::now();

    let mut failed = 0;
    while began.elapsed() < seconds(60) {
        failed += usize::from(bench.call().await.is_err());
        sleep(Duration::from_millis(100)).await;
    }

    assert!(failed > 400, "{failed}");
    assert!((4..=5).contains(&bench.fetches()), "{}", bench.fetches());
    assert_eq!(bench.seen.0.lock().unwrap()[0], "acme refused");
}

#[tokio::test(start_paused = true)]
async fn long_outage_fails_calls_without_a_wait() {
    let bench = Bench::new((0..99).map(|_| unavailable()));

    let first = bench.call().await;
    advance(seconds(3)).await;
    let second = bench.call().await;
    let began = Instant::now();
    let third = bench.call().await;

    assert!(first.is_err() && second.is_err() && third.is_err());
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn provider_that_does_not_answer_holds_a_call_for_six_seconds() {
    let bench = Bench::new([Answer::Slow { seconds: 3600, life: 600 }]);
    let began = Instant::now();

    let token = bench.call().await;

    assert!(matches!(token, Err(TokenError::Timeout)), "{token:?}");
    assert!(began.elapsed() <= seconds(7));
}

#[tokio::test(start_paused = true)]
async fn caller_that_leaves_does_not_cancel_the_fetch() {
    let bench = Bench::new([Answer::Slow { seconds: 1, life: 600 }]);
    assert!(bench.call().now_or_never().is_none());
    bench.settle().await;

    let token = bench.call().await;

    assert!(matches!(token, Ok(1)), "{token:?}");
    assert_eq!(bench.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn panic_in_a_refresh_does_not_stop_later_ones() {
    let bench = Bench::new([Answer::Token { life: 60 }, Answer::Panics]);
    bench.call().await.unwrap();

    advance(seconds(31)).await;
    bench.call().await.unwrap();
    sleep(seconds(2)).await;
    bench.call().await.unwrap();
    sleep(seconds(1)).await;
    let token = bench.call().await;

    assert!(matches!(token, Ok(3)), "{token:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_token_is_replaced_once_in_ten_seconds() {
    let bench = Bench::new([]);
    let first = bench.tokens.authorization(&acme()).await.unwrap();

    for _ in 0..50 {
        bench.tokens.refused(&acme(), &first);
    }
    let second = bench.tokens.authorization(&acme()).await.unwrap();
    for _ in 0..50 {
        bench.tokens.refused(&acme(), &first);
        bench.tokens.refused(&acme(), &second);
        assert_eq!(bench.tokens.authorization(&acme()).await.unwrap(), second);
    }
    let in_vain = bench.fetches();
    advance(seconds(11)).await;
    bench.tokens.refused(&acme(), &second);
    let third = bench.call().await;

    assert_ne!(first, second);
    assert_eq!(in_vain, 2);
    assert!(matches!(third, Ok(3)), "{third:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_token_stays_in_use_while_no_other_can_be_fetched() {
    let bench = Bench::new([Answer::Token { life: 600 }, unavailable()]);
    let first = bench.tokens.authorization(&acme()).await.unwrap();

    bench.tokens.refused(&acme(), &first);
    let during = bench.call().await;
    advance(seconds(2)).await;
    let after = bench.call().await;

    assert!(matches!((during, after), (Ok(1), Ok(3))));
}

#[tokio::test(start_paused = true)]
async fn changed_entry_never_uses_the_token_of_the_old_one() {
    let bench = Bench::new([]);
    let changed = Tenant { fingerprint: 2, ..acme() };
    let moved = Tenant { fingerprint: 3, ..oauth_tenant("acme", "https://other.test", "https://p.test") };

    let old = number(bench.tokens.authorization(&acme()).await).unwrap();
    let new = number(bench.tokens.authorization(&changed).await).unwrap();
    // A call that began before the change.
    let still = number(bench.tokens.authorization(&acme()).await).unwrap();
    let elsewhere = number(bench.tokens.authorization(&moved).await).unwrap();

    assert_eq!((old, new, still, elsewhere), (1, 2, 1, 3));
    assert_eq!(
        *bench.provider.clients.lock().unwrap(),
        ["acme onfido.test", "acme onfido.test", "acme other.test"]
    );
}

#[tokio::test(start_paused = true)]
async fn tenants_have_tokens_of_their_own() {
    let bench = Bench::new([]);
    let globex = oauth_tenant("globex", "https://onfido.test/v3.6", "https://portal.test");

    let first = number(bench.tokens.authorization(&acme()).await).unwrap();
    let second = number(bench.tokens.authorization(&globex).await).unwrap();

    assert_eq!((first, second, bench.call().await.unwrap()), (1, 2, 1));
    assert_eq!(*bench.provider.clients.lock().unwrap(), ["acme onfido.test", "other onfido.test"]);
}

#[tokio::test(start_paused = true)]
async fn suspend_does_not_make_an_expired_token_look_valid() {
    let bench = Bench::new([]);
    bench.call().await.unwrap();

    bench.jump.store(3600, Ordering::SeqCst);
    let ready = bench.tokens.ready(&acme());
    let token = bench.call().await;

    assert!(ready.is_none());
    assert!(matches!(token, Ok(2)), "{token:?}");
}

#[tokio::test(start_paused = true)]
async fn unused_tokens_are_dropped() {
    let bench = Bench::new([]);
    bench.call().await.unwrap();

    advance(seconds(3601)).await;
    let globex = oauth_tenant("globex", "https://onfido.test", "https://portal.test");
    bench.tokens.authorization(&globex).await.unwrap();

    let ends = bench.tokens.ends();
    assert_eq!(ends.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["globex"]);
    assert_eq!(bench.tokens.0.entries.read().unwrap().len(), 1);
    assert_eq!(*bench.seen.0.lock().unwrap(), ["acme ok", "globex ok"]);
    assert!(!format!("{:?}", bench.tokens).contains("token-"));
}
