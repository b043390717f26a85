//! onfido: upstream, credential, webhook_ids and links of Onfido's API.
