// The part of kube-router that enforces NetworkPolicy, with iptables and ipset. The nodes route and balance without it, and
// without those parts it compiles in a few seconds.
package main

import (
	"sync"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// need ends the program, which Kubernetes then starts again.
func need(err error) {
	if err != nil {
		klog.Exit(err)
	}
}

func watch(informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) {
	_, err := informer.AddEventHandler(handler)
	need(err)
}

func main() {
	config := options.NewKubeRouterConfig()
	config.EnableIPv4 = true
	clientConfig, err := rest.InClusterConfig()
	need(err)
	client, err := kubernetes.NewForConfig(clientConfig)
	need(err)

	forever := make(chan struct{})
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(forever)
	factory.WaitForCacheSync(forever)

	iptables, ipsets, err := netpol.NewIPTablesHandlers(config)
	need(err)
	controller, err := netpol.NewNetworkPolicyController(client, config, pods, policies, namespaces, &sync.Mutex{}, iptables, ipsets)
	need(err)
	watch(pods, controller.PodEventHandler)
	watch(namespaces, controller.NamespaceEventHandler)
	watch(policies, controller.NetworkPolicyEventHandler)

	// The controller blocks if nobody receives its heartbeats.
	heartbeats := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range heartbeats {
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	controller.Run(heartbeats, forever, &running)
}
