// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const header = "apiVersion: virt-scheduler.io/v1alpha1\nkind: FailureWatcherConfiguration\n"

func redfish(entries string) string { return header + "fencing:\n  redfish:\n" + entries }

const goodEntry = "  - {nodeName: n1, endpoint: 'https://bmc-1', systemID: s1, credentialsSecret: c1}\n"

// TestLoadRefuses compares whole messages: they are what an administrator gets to see.
func TestLoadRefuses(t *testing.T) {
	const refused = "the configuration is refused:\n  "
	tests := map[string]struct{ file, want string }{
		"empty": {
			"# nothing\n---\n",
			"the configuration is empty: it must hold one document with apiVersion: virt-scheduler.io/v1alpha1 and kind: FailureWatcherConfiguration",
		},
		"no YAML": {
			"a: [", "the configuration is no YAML: error converting YAML to JSON: yaml: line 1: did not find expected node content",
		},
		"no mapping": {
			"- a\n", "the configuration must be a mapping with apiVersion: virt-scheduler.io/v1alpha1 and kind: FailureWatcherConfiguration",
		},
		"wrong kind and version": {
			"apiVersion: v1\nkind: Pod\n",
			refused + `apiVersion: Invalid value: "v1": must be virt-scheduler.io/v1alpha1` + "\n  " +
				`kind: Invalid value: "Pod": must be FailureWatcherConfiguration`,
		},
		"no kind": {
			"apiVersion: virt-scheduler.io/v1alpha1\n", refused + "kind: Required value: must be FailureWatcherConfiguration",
		},
		"second document": {
			header + "---\n" + header,
			"the configuration holds more than one YAML document: put all of it into the first and remove the others",
		},
		"unknown fields": {
			redfish("  - {nodeName: n1, caFilee: x}\n") + "fencingg: {}\n",
			`the configuration has unknown or duplicate fields: unknown field "fencing.redfish[0].caFilee"; unknown field "fencingg"; ` +
				"check the spelling against the example",
		},
		"field in another case": {
			header + "Detection: {}\n",
			`the configuration has unknown or duplicate fields: unknown field "Detection"; check the spelling against the example`,
		},
		"duplicate field": {
			header + "fencing: {maxAttempts: 3, maxAttempts: 4}\n",
			"the configuration has unknown or duplicate fields: yaml: unmarshal errors:\n" +
				`  line 3: key "maxAttempts" already set in map; check the spelling against the example`,
		},
		"wrong type": {
			header + "fencing: {maxAttempts: x}\n",
			"decoding the configuration: json: cannot unmarshal string into Go struct field FencingConfiguration.fencing.maxAttempts of type int32",
		},
		"durations without and with a wrong unit": {
			header + "detection: {leaseStaleAfter: 30, confirmAfter: 1x}\n",
			refused + "detection.leaseStaleAfter: Invalid value: 30: must be a duration with a unit, such as 25s\n  " +
				`detection.confirmAfter: Invalid value: "1x": must be a duration with a unit, such as 50s`,
		},
		"ranges, all at once": {
			header + "detection: {leaseStaleAfter: 5s, confirmAfter: 44s}\nfencing: {maxAttempts: 11, readTimeout: 31s}\nrecovery: {healthyDelay: -1s}\n",
			refused + `detection.leaseStaleAfter: Invalid value: "5s": must be from 15s to 10m0s: the kubelet renews its Lease every 10s` + "\n  " +
				`detection.confirmAfter: Invalid value: "44s": must be from 45s to 1h0m0s: a kubelet may need that long to notice a dead connection` + "\n  " +
				`fencing.readTimeout: Invalid value: "31s": must be from 1s to 30s` + "\n  " +
				`recovery.healthyDelay: Invalid value: "-1s": must be from 0s to 1h0m0s` + "\n  " +
				`fencing.maxAttempts: Invalid value: 11: must be from 1 to 10`,
		},
		"durations that contradict each other": {
			header + "detection: {leaseStaleAfter: 2m}\nfencing: {attemptTimeout: 20s, powerReadInterval: 10s}\n" +
				"leaderElection: {leaseDuration: 10s, renewDeadline: 10s, retryPeriod: 9s}\n",
			refused + `detection.confirmAfter: Invalid value: "50s": must not be shorter than detection.leaseStaleAfter (2m0s)` + "\n  " +
				`fencing.attemptTimeout: Invalid value: "20s": must be at least 3 times fencing.powerReadInterval, for Off has to be read twice in that time (10s)` + "\n  " +
				`leaderElection.leaseDuration: Invalid value: "10s": must be at least 1.1 times leaderElection.renewDeadline, or two leaders can overlap (10s)` + "\n  " +
				`leaderElection.renewDeadline: Invalid value: "10s": must be at least 1.3 times leaderElection.retryPeriod (9s)`,
		},
		"addresses": {
			header + "metricsBindAddress: 8443\nhealthBindAddress: ':99999'\n",
			"decoding the configuration: json: cannot unmarshal number into Go struct field FailureWatcherConfiguration.metricsBindAddress of type string",
		},
		"addresses that are none": {
			header + "metricsBindAddress: '8443'\nhealthBindAddress: ':99999'\n",
			refused + `metricsBindAddress: Invalid value: "8443": must be host:port, such as 127.0.0.1:8081 or :8081, or "0" to switch it off` + "\n  " +
				`healthBindAddress: Invalid value: ":99999": must be host:port, such as 127.0.0.1:8081 or :8081`,
		},
		"one address for both": {
			header + "metricsBindAddress: ':8081'\n",
			refused + `healthBindAddress: Invalid value: ":8081": is metricsBindAddress too; the two need an address each`,
		},
		"a host with nothing": {
			redfish("  - {}\n"),
			refused + "fencing.redfish[0].nodeName: Required value\n  " +
				"fencing.redfish[0].endpoint: Required value: the BMC's address, e.g. https://bmc-1.example.org\n  " +
				"fencing.redfish[0].systemID: Required value: the Id of the machine's ComputerSystem, as /redfish/v1/Systems lists it: a BMC may serve several\n  " +
				"fencing.redfish[0].credentialsSecret: Required value",
		},
		"http": {
			redfish("  - {nodeName: n1, endpoint: 'http://bmc-1', systemID: s, credentialsSecret: c}\n"),
			refused + `fencing.redfish[0].endpoint: Invalid value: "http://bmc-1": must begin with https://: without TLS the answer proves nothing, and the password is readable`,
		},
		"password in the URL is refused and not shown": {
			redfish("  - {nodeName: n1, endpoint: 'https://root:calvin@bmc-1', systemID: s, credentialsSecret: c}\n" +
				"  - {nodeName: n2, endpoint: 'https://root:cal%vin@bmc-2', systemID: s, credentialsSecret: c}\n"),
			refused + `fencing.redfish[0].endpoint: Invalid value: "(not shown)": must hold no user or password: name a Secret in credentialsSecret` + "\n  " +
				`fencing.redfish[1].endpoint: Invalid value: "(not shown)": must hold no user or password: name a Secret in credentialsSecret`,
		},
		"path in the URL": {
			redfish("  - {nodeName: n1, endpoint: 'https://bmc-1/redfish/v1', systemID: s, credentialsSecret: c}\n"),
			refused + `fencing.redfish[0].endpoint: Invalid value: "https://bmc-1/redfish/v1": must have no path, query or fragment: the driver knows where Redfish lives`,
		},
		"no URL": {
			redfish("  - {nodeName: n1, endpoint: bmc-1, systemID: s, credentialsSecret: c}\n"),
			refused + `fencing.redfish[0].endpoint: Invalid value: "bmc-1": must be a URL such as https://bmc-1.example.org`,
		},
		"port out of range": {
			redfish("  - {nodeName: n1, endpoint: 'https://bmc-1:70000', systemID: s, credentialsSecret: c}\n"),
			refused + `fencing.redfish[0].endpoint: Invalid value: "https://bmc-1:70000": the port must be from 1 to 65535`,
		},
		"system by path": {
			redfish("  - {nodeName: n1, endpoint: 'https://bmc-1', systemID: Systems/1, credentialsSecret: c}\n"),
			refused + `fencing.redfish[0].systemID: Invalid value: "Systems/1": must be an Id alone, no path`,
		},
		"one node twice": {
			redfish(goodEntry + "  - {nodeName: n1, endpoint: 'https://bmc-2', systemID: s1, credentialsSecret: c1}\n"),
			refused + `fencing.redfish[1].nodeName: Invalid value: "n1": fencing.redfish[0] is about this node too; a node has one BMC`,
		},
		"one machine for two nodes, in another spelling": {
			redfish(goodEntry + "  - {nodeName: n2, endpoint: 'https://BMC-1.:443/', systemID: s1, credentialsSecret: c1}\n"),
			refused + `fencing.redfish[1].systemID: Invalid value: "s1": fencing.redfish[0] names the same system of the same BMC; two nodes can't be one machine`,
		},
		"overrides": {
			redfish("  - {nodeName: n1, endpoint: 'https://bmc-1', systemID: s1, credentialsSecret: c1, identityOverride: {systemUUID: abc}}\n"),
			refused + `fencing.redfish[0].identityOverride.systemUUID: Invalid value: "abc": must be the UUID that the BMC tells, 32 hexadecimal digits` + "\n  " +
				"fencing.redfish[0].identityOverride.reason: Required value: say why this machine is the node's although their UUIDs differ; it is kept in the record",
		},
		"one machine accepted for two nodes": {
			redfish("  - {nodeName: n1, endpoint: 'https://bmc-1', systemID: s1, credentialsSecret: c1, identityOverride: {systemUUID: 4C4C4544-0042-3510-8053-B4C04F4E5331, reason: a}}\n" +
				"  - {nodeName: n2, endpoint: 'https://bmc-2', systemID: s1, credentialsSecret: c1, identityOverride: {systemUUID: 4c4c454400423510-8053-b4c04f4e5331, reason: b}}\n"),
			refused + `fencing.redfish[1].identityOverride.systemUUID: Invalid value: "4c4c454400423510-8053-b4c04f4e5331": ` +
				"fencing.redfish[0] accepts the same machine; two nodes can't be one machine",
		},
		"namespace": {
			header + "leaderElection: {namespace: a.b}\n",
			refused + `fencing.secretNamespace: Invalid value: "a.b": must not contain dots` + "\n  " +
				`leaderElection.namespace: Invalid value: "a.b": must not contain dots`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Load([]byte(tc.file))
			if err == nil {
				t.Fatalf("accepted as %+v, want error:\n%s", c, tc.want)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadDefaults(t *testing.T) {
	got, err := Load([]byte("# a comment\n---\n" + header + "leaderElection: {namespace: other}\n---\n# nothing\n"))
	if err != nil {
		t.Fatal(err)
	}
	seconds := func(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Second} }
	attempts, enabled := int32(3), true
	want := &FailureWatcherConfiguration{
		TypeMeta:  metav1.TypeMeta{APIVersion: "virt-scheduler.io/v1alpha1", Kind: "FailureWatcherConfiguration"},
		Detection: DetectionConfiguration{LeaseStaleAfter: seconds(25), ConfirmAfter: seconds(50)},
		Fencing: FencingConfiguration{
			PowerReadInterval: seconds(5), ReadTimeout: seconds(5), AttemptTimeout: seconds(120), MaxAttempts: &attempts,
			CheckInterval: seconds(60), SecretNamespace: "other",
		},
		Recovery: RecoveryConfiguration{MigrationTimeout: seconds(60), HealthyDelay: seconds(60)},
		LeaderElection: LeaderElectionConfiguration{
			Enabled: &enabled, Namespace: "other", Name: "failure-watcher",
			LeaseDuration: seconds(15), RenewDeadline: seconds(10), RetryPeriod: seconds(2),
		},
		MetricsBindAddress: ":8443", HealthBindAddress: ":8081",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSetDefaultsKeeps: what the file says stays, zero included.
func TestSetDefaultsKeeps(t *testing.T) {
	got, err := Load([]byte(header + "recovery: {healthyDelay: 0s}\nleaderElection: {enabled: false}\nmetricsBindAddress: '0'\n" +
		"fencing: {secretNamespace: secrets, maxAttempts: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Recovery.HealthyDelay.Duration != 0 || *got.LeaderElection.Enabled || got.MetricsBindAddress != BindAddressOff ||
		got.Fencing.SecretNamespace != "secrets" || *got.Fencing.MaxAttempts != 1 {
		t.Errorf("a given value was replaced: %+v", got)
	}
}

// TestExample loads the documented example, whose values are said to be the defaults.
func TestExample(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "manifests", "examples", "failure-watcher.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Fencing.Redfish) != 2 || got.Fencing.Redfish[1].IdentityOverride == nil {
		t.Errorf("the example should show two hosts, the second with an override: %+v", got.Fencing.Redfish)
	}
	got.Fencing.Redfish = nil
	want, err := Load([]byte(header))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the example's values are not the defaults (-defaults +example):\n%s", diff)
	}
}

// TestValidateNeedsDefaults: an undefaulted configuration is refused, not dereferenced.
func TestValidateNeedsDefaults(t *testing.T) {
	if errs := Validate(&FailureWatcherConfiguration{}); len(errs) < len(durationRules(&FailureWatcherConfiguration{})) {
		t.Errorf("%d errors for an empty configuration, want at least one per duration: %v", len(errs), errs)
	}
}
