// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package kubevirtsettings

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/utils/ptr"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

var resource = simapi.Resource{GroupVersion: kubevirtv1.GroupVersion, Plural: "kubevirts", Kind: "KubeVirt", Namespaced: true}

type builder struct{ *kubevirtv1.KubeVirt }

func makeKubeVirt(name string) builder {
	kv := &kubevirtv1.KubeVirt{}
	kv.Name, kv.UID = name, types.UID("uid-"+name)
	kv.CreationTimestamp = metav1.Unix(1000, 0)
	return builder{kv}
}

func (b builder) UID(uid types.UID) builder { b.KubeVirt.UID = uid; return b }

func (b builder) Phase(phase kubevirtv1.KubeVirtPhase) builder { b.Status.Phase = phase; return b }

func (b builder) Created(second int64) builder {
	b.CreationTimestamp = metav1.Unix(second, 0)
	return b
}

func (b builder) Eviction(strategy kubevirtv1.EvictionStrategy) builder {
	b.Spec.Configuration.EvictionStrategy = &strategy
	return b
}

func (b builder) Migrations(perCluster, outbound *uint32) builder {
	b.Spec.Configuration.MigrationConfiguration = &kubevirtv1.MigrationConfiguration{
		ParallelMigrationsPerCluster: perCluster, ParallelOutboundMigrationsPerNode: outbound,
	}
	return b
}

func (b builder) Obj() *kubevirtv1.KubeVirt { return b.KubeVirt }

func newSource(t *testing.T, config *rest.Config) *Source {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	source, err := Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func (s *Source) await(t *testing.T, what string, want Settings) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return s.Settings() == want, nil })
	if err != nil {
		t.Fatalf("%s: not within 30 s (-want +got):\n%s", what, cmp.Diff(want, s.Settings()))
	}
}

var (
	unknown = Settings{Eviction: model.EvictionNone, MigrationsPerCluster: 5, OutboundMigrationsPerNode: 2}
	unset   = Settings{Known: true, Eviction: model.EvictionNone, MigrationsPerCluster: 5, OutboundMigrationsPerNode: 2}
)

func with(eviction model.Eviction) Settings {
	settings := unset
	settings.Eviction = eviction
	return settings
}

func TestKeep(t *testing.T) {
	tests := map[string]struct {
		kubeVirt builder
		want     Settings
	}{
		"nothing set":            {makeKubeVirt("a"), unset},
		"nothing of migrations":  {makeKubeVirt("a").Migrations(nil, nil), unset},
		"an empty strategy":      {makeKubeVirt("a").Eviction(""), unset},
		"a strategy":             {makeKubeVirt("a").Eviction(kubevirtv1.EvictionStrategyLiveMigrate), with(model.EvictionLiveMigrate)},
		"one of a later release": {makeKubeVirt("a").Eviction("Suspend"), with("Suspend")},
		"one limit": {
			makeKubeVirt("a").Migrations(nil, ptr.To[uint32](1)),
			Settings{Known: true, Eviction: model.EvictionNone, MigrationsPerCluster: 5, OutboundMigrationsPerNode: 1},
		},
		"everything": {
			makeKubeVirt("a").Eviction(kubevirtv1.EvictionStrategyExternal).Migrations(ptr.To[uint32](20), ptr.To[uint32](4)),
			Settings{Known: true, Eviction: model.EvictionExternal, MigrationsPerCluster: 20, OutboundMigrationsPerNode: 4},
		},
		"zero is not unset": {
			makeKubeVirt("a").Migrations(ptr.To[uint32](0), ptr.To[uint32](0)), Settings{Known: true, Eviction: model.EvictionNone},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			kept, err := keep(tc.kubeVirt.Obj())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, kept.(*kubeVirt).settings); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			if again, err := keep(kept); again != kept || err != nil {
				t.Errorf("what was kept already became %v, error %v", again, err)
			}
		})
	}
}

// Of several KubeVirts that are there at once the settings of one hold, whatever the order in which they come.
func TestWhichOfSeveral(t *testing.T) {
	live, external := kubevirtv1.EvictionStrategyLiveMigrate, kubevirtv1.EvictionStrategyExternal
	deploying, deployed, deleting := kubevirtv1.KubeVirtPhaseDeploying, kubevirtv1.KubeVirtPhaseDeployed, kubevirtv1.KubeVirtPhaseDeleting
	tests := map[string]struct{ used, other builder }{
		"the deployed one, not one that is going": {makeKubeVirt("b").Phase(deployed).Created(2), makeKubeVirt("a").Phase(deleting).Created(1)},
		"the deployed one, not one that is new":   {makeKubeVirt("b").Phase(deployed).Created(2), makeKubeVirt("a").Created(1)},
		"one that was taken note of":              {makeKubeVirt("b").Phase(deploying).Created(2), makeKubeVirt("a").Created(1)},
		"the older of two deployed ones":          {makeKubeVirt("b").Phase(deployed).Created(1), makeKubeVirt("a").Phase(deployed).Created(2)},
		"any, but always the same":                {makeKubeVirt("a").Phase(deployed), makeKubeVirt("b").Phase(deployed)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			used, other := tc.used.Eviction(live).Obj(), tc.other.Eviction(external).Obj()
			for _, order := range [][]*kubevirtv1.KubeVirt{{used, other}, {other, used}} {
				s := newSource(t, nil)
				for _, kv := range order {
					kept, err := keep(kv)
					if err != nil {
						t.Fatal(err)
					}
					s.seen(kept.(*kubeVirt))
				}
				if got, want := s.Settings(), with(model.EvictionLiveMigrate); got != want {
					t.Errorf("%s before %s: %+v, want %+v", order[0].Name, order[1].Name, got, want)
				}
			}
		})
	}
}

func TestSourceFollowsTheCluster(t *testing.T) {
	api := simapi.New(t, resource)
	api.Set(makeKubeVirt("a").Phase(kubevirtv1.KubeVirtPhaseDeployed).Eviction(kubevirtv1.EvictionStrategyLiveMigrate).Obj())
	source := newSource(t, api.Config())
	if got := source.Settings(); got != unknown {
		t.Fatalf("%+v before KubeVirt is installed, want its defaults: %+v", got, unknown)
	}
	api.Install()
	source.await(t, "KubeVirt is installed", with(model.EvictionLiveMigrate))
	api.Set(makeKubeVirt("a").Phase(kubevirtv1.KubeVirtPhaseDeployed).Migrations(ptr.To[uint32](9), nil).Obj())
	changed := Settings{Known: true, Eviction: model.EvictionNone, MigrationsPerCluster: 9, OutboundMigrationsPerNode: 2}
	source.await(t, "its settings are changed", changed)
	api.Set(makeKubeVirt("b").Created(1).Eviction(kubevirtv1.EvictionStrategyExternal).Obj())
	api.Set(makeKubeVirt("a").Phase(kubevirtv1.KubeVirtPhaseDeleting).Migrations(ptr.To[uint32](8), nil).Obj())
	changed.MigrationsPerCluster = 8
	source.await(t, "another is made", changed)
	api.Set(makeKubeVirt("b").Created(1).Phase(kubevirtv1.KubeVirtPhaseDeployed).Eviction(kubevirtv1.EvictionStrategyExternal).Obj())
	source.await(t, "the other is deployed", with(model.EvictionExternal))
	api.Set(makeKubeVirt("b").UID("anew").Created(3).Phase(kubevirtv1.KubeVirtPhaseDeployed).Obj())
	source.await(t, "it is made anew under its name", unset)
	api.Delete("b")
	source.await(t, "it is deleted", changed)
	api.Delete("a")
	source.await(t, "none is left", unknown)
	source.mu.Lock()
	defer source.mu.Unlock()
	if len(source.known) != 0 {
		t.Errorf("still kept: %v", source.known)
	}
}

func TestStartKnowsWhatIsThere(t *testing.T) {
	api := simapi.New(t, resource)
	api.Install()
	api.Set(makeKubeVirt("a").Eviction(kubevirtv1.EvictionStrategyLiveMigrate).Obj())
	if got, want := newSource(t, api.Config()).Settings(), with(model.EvictionLiveMigrate); got != want {
		t.Errorf("%+v when Start returns, want %+v", got, want)
	}
}

func TestSourceWaitsForPermission(t *testing.T) {
	api := simapi.New(t, resource)
	api.Install()
	api.Forbid(true)
	api.Set(makeKubeVirt("a").Eviction(kubevirtv1.EvictionStrategyLiveMigrate).Obj())
	source := newSource(t, api.Config())
	if got := source.Settings(); got != unknown {
		t.Errorf("%+v though it may not be read, want %+v", got, unknown)
	}
	api.Forbid(false)
	source.await(t, "read once it is allowed", with(model.EvictionLiveMigrate))
}

func TestSourceWithoutClientConfiguration(t *testing.T) {
	if got := newSource(t, nil).Settings(); got != unknown {
		t.Errorf("%+v without a client, want %+v", got, unknown)
	}
}

// With -race: readers while the settings change. What they read is one state or another, never a mixture.
func TestManyGoroutines(t *testing.T) {
	s := newSource(t, nil)
	known := &kubeVirt{ObjectMeta: metav1.ObjectMeta{UID: "a"}, settings: Settings{Known: true, Eviction: "x", MigrationsPerCluster: 7, OutboundMigrationsPerNode: 7}}
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if got := s.Settings(); got != unknown && got != known.settings {
						t.Errorf("read %+v, want %+v or %+v", got, unknown, known.settings)
						return
					}
				}
			}
		})
	}
	for range 1000 {
		s.seen(known)
		s.gone(known)
	}
	close(stop)
	readers.Wait()
}
