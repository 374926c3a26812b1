//! The job of a file.

use spanlake_config::{Settings, made, settings};
use spanlake_etl::{EtlLayer, EtlLayerBuilder, Lineage};

/// The settings of the job, when there is to be one.
pub(super) fn builder(settings: &Settings) -> Option<EtlLayerBuilder> {
    let etl = settings.etl.on().filter(|_| settings.layers.etl)?;
    let lake = etl.lake.as_deref().unwrap_or(&settings.lake.path);
    let builder = EtlLayer::builder(lake).job_id(&*etl.job_id).job_num(etl.job_num.get()).job_index(etl.job_index);
    let builder = builder.partition(etl.partition.clone()).flush_every(*etl.flush_every);
    let builder = builder.finish_timeout(etl.finish_timeout).store(made::store(&etl.store));
    let builder = etl.lineage.iter().filter_map(lineage).fold(builder, EtlLayerBuilder::lineage);
    Some(noted(builder, etl))
}

/// Where lineage goes; none where the program was built without, which was refused before.
fn lineage(lineage: &settings::Lineage) -> Option<Lineage> {
    let (lineage, namespace) = match lineage {
        settings::Lineage::File(file) => (Lineage::file(file.path.as_str()), &file.namespace),
        #[cfg(feature = "lineage-http")]
        settings::Lineage::Http(http) => {
            let endpoint = Lineage::http(http.url.as_str());
            let token = http.token.clone();
            (token.into_iter().fold(endpoint, Lineage::bearer), &http.namespace)
        }
        _ => return None,
    };
    Some(namespace.iter().fold(lineage, |lineage, namespace| lineage.namespace(namespace)))
}

/// Settings that are columns of the job's row.
fn noted(builder: EtlLayerBuilder, etl: &settings::Etl) -> EtlLayerBuilder {
    let hours = |age: &std::time::Duration| u32::try_from(age.as_secs() / 3_600).unwrap_or(u32::MAX);
    let builder = etl.workspace_id.iter().fold(builder, |builder, id| builder.workspace_id(&**id));
    let builder = etl.max_workers.iter().fold(builder, |builder, workers| builder.max_workers(workers.get()));
    let builder = etl.stop_on_error.iter().fold(builder, |builder, stop| builder.stop_on_error(*stop));
    let builder = etl.retry_count.iter().fold(builder, |builder, retries| builder.retry_count(*retries));
    let builder = etl.retry_delay.iter().fold(builder, |builder, delay| builder.retry_delay(*delay));
    let builder = etl.dry_run.iter().fold(builder, |builder, dry| builder.dry_run(*dry));
    let builder = etl.retention.iter().fold(builder, |builder, age| builder.retention_hours(hours(age)));
    let builder = etl.engine_name.iter().fold(builder, |builder, name| builder.engine_name(&**name));
    let builder = etl.platform_name.iter().fold(builder, |builder, name| builder.platform_name(&**name));
    let providers = etl.metadata_provider_name.iter();
    let builder = providers.fold(builder, |builder, name| builder.metadata_provider_name(&**name));
    etl.watermark_manager_name.iter().fold(builder, |builder, name| builder.watermark_manager_name(&**name))
}
