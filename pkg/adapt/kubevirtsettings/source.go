// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubevirtsettings knows, for one scheduler, what KubeVirt has been
// told about evictions and migrations for the whole cluster: the settings in
// its KubeVirt object. It works in clusters where KubeVirt is not, or not yet,
// installed: then KubeVirt's own defaults are what it says. It decides nothing.
package kubevirtsettings

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch"
	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/follow"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// KubeVirt's own defaults (KubeVirt 1.8, pkg/virt-config).
const (
	DefaultMigrationsPerCluster      = 5
	DefaultOutboundMigrationsPerNode = 2
)

// Settings are those of KubeVirt for a whole cluster.
type Settings struct {
	// Known is false while no KubeVirt object has been read; then the others are KubeVirt's own defaults.
	Known bool
	// Eviction is the strategy of VMs that have none of their own; never EvictionUnset, as KubeVirt's own default is None.
	Eviction model.Eviction
	// MigrationsPerCluster and OutboundMigrationsPerNode are how many VMs KubeVirt moves at once, in the cluster, and
	// away from one host. KubeVirt moves none where it is 0.
	MigrationsPerCluster, OutboundMigrationsPerNode int
}

func defaults() Settings {
	return Settings{
		Eviction: model.EvictionNone, MigrationsPerCluster: DefaultMigrationsPerCluster, OutboundMigrationsPerNode: DefaultOutboundMigrationsPerNode,
	}
}

// Source knows the settings of one cluster's KubeVirt. Its methods may be called at any time.
type Source struct {
	settings atomic.Pointer[Settings] // read by many goroutines at once

	mu    sync.Mutex
	known map[types.UID]*kubeVirt
}

// Start returns a Source that follows the cluster until ctx ends, once it knows what is there; see [crdwatch.Watch.AwaitFirst] for when it
// does not wait. Without a client configuration it knows nothing but defaults.
func Start(ctx context.Context, kubeConfig *rest.Config) (*Source, error) {
	s := &Source{known: map[types.UID]*kubeVirt{}}
	s.publish()
	if kubeConfig == nil {
		return s, nil
	}
	watch, err := crdwatch.New(kubeConfig, crdwatch.Resource{
		GroupVersion: kubevirtv1.GroupVersion, Plural: "kubevirts", Kind: "KubeVirts",
		Without:     "KubeVirt's default eviction strategy and limits on migrations are assumed",
		AddToScheme: kubevirtv1.AddToScheme, Object: &kubevirtv1.KubeVirt{},
	}, keep)
	if err != nil {
		return nil, err
	}
	go func() {
		if err := watch.Run(ctx, follow.Handler(s.seen, s.gone), func() {}); err != nil {
			klog.FromContext(ctx).Error(err, "Watching KubeVirts")
		}
	}()
	watch.AwaitFirst(ctx)
	return s, nil
}

// Settings returns what is known now.
func (s *Source) Settings() Settings { return *s.settings.Load() }

// kubeVirt is all that is kept of a KubeVirt.
type kubeVirt struct {
	metav1.ObjectMeta
	phase    kubevirtv1.KubeVirtPhase
	settings Settings
}

// keep is the transform of the informer. What is not set is filled in as KubeVirt does.
func keep(obj any) (any, error) {
	kv, ok := obj.(*kubevirtv1.KubeVirt)
	if !ok {
		return obj, nil
	}
	settings := defaults()
	settings.Known = true
	if strategy := kv.Spec.Configuration.EvictionStrategy; strategy != nil && *strategy != "" {
		settings.Eviction = model.Eviction(*strategy)
	}
	if migrations := kv.Spec.Configuration.MigrationConfiguration; migrations != nil {
		set(&settings.MigrationsPerCluster, migrations.ParallelMigrationsPerCluster)
		set(&settings.OutboundMigrationsPerNode, migrations.ParallelOutboundMigrationsPerNode)
	}
	return &kubeVirt{
		ObjectMeta: metav1.ObjectMeta{
			Name: kv.Name, Namespace: kv.Namespace, UID: kv.UID, ResourceVersion: kv.ResourceVersion, CreationTimestamp: kv.CreationTimestamp,
		},
		phase:    kv.Status.Phase,
		settings: settings,
	}, nil
}

func set(setting *int, value *uint32) {
	if value != nil {
		*setting = int(*value)
	}
}

func (s *Source) seen(kv *kubeVirt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[kv.UID] = kv
	s.publish()
}

func (s *Source) gone(kv *kubeVirt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, kv.UID)
	s.publish()
}

// publish makes the settings of the KubeVirt that is in use the ones that are known.
func (s *Source) publish() {
	settings := defaults()
	if len(s.known) > 0 {
		settings = slices.MinFunc(slices.Collect(maps.Values(s.known)), usedBefore).settings
	}
	s.settings.Store(&settings)
}

// usedBefore orders KubeVirts by how likely they are the one in use: one that is deployed; one of which virt-operator has
// taken note, which it does not of a second one; the oldest.
func usedBefore(a, b *kubeVirt) int {
	return cmp.Or(
		cmp.Compare(rank(a.phase), rank(b.phase)),
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		cmp.Compare(a.UID, b.UID),
	)
}

func rank(phase kubevirtv1.KubeVirtPhase) int {
	switch phase {
	case kubevirtv1.KubeVirtPhaseDeployed:
		return 0
	case "":
		return 2
	default:
		return 1
	}
}
