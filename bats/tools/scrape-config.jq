# Prometheus' configuration for a ServiceMonitor, as the Prometheus Operator makes it. Instead of asking the API server
# Prometheus gets the targets here, with the labels that its discovery of endpoints gives them: Debian's Prometheus is built
# without it. The variables are those of scrape_config in bats/lib/metrics.bash.

def label_name: gsub("[^a-zA-Z0-9_]"; "_");

def list: if .items then .items[] else . end;

# The targets of all EndpointSlices, one for each port of each endpoint.
def targets:
  [$services[] | list] as $all
  | $slices[] | list | . as $slice
  | ($slice.metadata.labels["kubernetes.io/service-name"]) as $name
  | ($all[] | select(.metadata.name == $name and .metadata.namespace == $slice.metadata.namespace)) as $service
  | $slice.endpoints[] as $endpoint
  | $slice.ports[] as $port
  | $endpoint.targetRef.name as $pod
  | {
      targets: [if $port.name == "admin" and $addresses[$pod] then $addresses[$pod] else "\($endpoint.addresses[0]):\($port.port)" end],
      labels: ({
        __meta_kubernetes_namespace: $slice.metadata.namespace,
        __meta_kubernetes_service_name: $name,
        __meta_kubernetes_endpoint_port_name: $port.name,
        __meta_kubernetes_pod_name: $pod
      } + ($service.metadata.labels | with_entries(.key = "__meta_kubernetes_service_label_" + (.key | label_name))))
    };

def keep($source; $regex): {action: "keep", source_labels: [$source], regex: $regex};
def copy($source; $target): {source_labels: [$source], target_label: $target};

$monitor[0] as $monitor
| {
    global: {scrape_interval: "1s", evaluation_interval: "1s"},
    rule_files: ["rules.json"],
    scrape_configs: [
      $monitor.spec.endpoints | to_entries[] | .value as $endpoint | {
        job_name: "serviceMonitor/\($monitor.metadata.namespace)/\($monitor.metadata.name)/\(.key)",
        metrics_path: $endpoint.path,
        static_configs: [targets],
        relabel_configs: [
          keep("__meta_kubernetes_namespace"; $monitor.spec.namespaceSelector.matchNames | join("|")),
          ($monitor.spec.selector.matchLabels | to_entries[] | keep("__meta_kubernetes_service_label_" + (.key | label_name); .value)),
          keep("__meta_kubernetes_endpoint_port_name"; $endpoint.port),
          copy("__meta_kubernetes_namespace"; "namespace"),
          copy("__meta_kubernetes_service_name"; "service"),
          copy("__meta_kubernetes_service_name"; "job"),
          copy("__meta_kubernetes_pod_name"; "pod"),
          {target_label: "endpoint", replacement: $endpoint.port}
        ]
      }
    ]
  }
