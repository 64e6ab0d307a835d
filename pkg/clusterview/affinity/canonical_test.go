// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"hash/maphash"
	"testing"
)

func TestSameTerm(t *testing.T) {
	base := over(zone, "app=db")
	tests := map[string]struct {
		a, b termBuilder
		want bool
	}{
		"the same":                       {base, base, true},
		"equality in other words":        {base, over(zone, "app in (db)"), true},
		"values in another order":        {over(zone, "app in (a,b)"), over(zone, "app in (b,a)"), true},
		"a value twice":                  {over(zone, "app in (a,b)"), over(zone, "app in (b,a,b)"), true},
		"labels in another order":        {over(zone, "app=db,tier=x"), over(zone, "tier=x,app=db"), true},
		"namespaces in another order":    {base.Namespaces("a", "b"), base.Namespaces("b", "a"), true},
		"own namespace, named or not":    {base, base.Namespaces("default"), true},
		"another topology key":           {base, over(hostname, "app=db"), false},
		"another value":                  {base, over(zone, "app=web"), false},
		"another key":                    {base, over(zone, "tier=db"), false},
		"one more label":                 {base, over(zone, "app=db,tier=x"), false},
		"one more value":                 {base, over(zone, "app in (db,web)"), false},
		"not that value":                 {base, over(zone, "app notin (db)"), false},
		"there or not":                   {over(zone, "app"), over(zone, "!app"), false},
		"all and nothing":                {over(zone, ""), over(zone, "nil"), false},
		"another namespace":              {base, base.Namespaces("red"), false},
		"one more namespace":             {base, base.Namespaces("default", "red"), false},
		"all namespaces":                 {base.Namespaces("default"), base.Namespaces("default").NamespaceSelector(""), false},
		"other namespaces by selector":   {base.NamespaceSelector("a=b"), base.NamespaceSelector("a=c"), false},
		"selector of pods or namespaces": {over(zone, "a=b").NamespaceSelector(""), over(zone, "").NamespaceSelector("a=b"), false},
	}
	h := hasher{seed: maphash.MakeSeed(), mask: ^uint64(0)}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := tc.a.Obj(), tc.b.Obj()
			if got := sameTerm(&a, &b); got != tc.want {
				t.Errorf("sameTerm is %v, want %v", got, tc.want)
			}
			if got := sameTerm(&b, &a); got != tc.want {
				t.Errorf("sameTerm is %v the other way round, want %v", got, tc.want)
			}
			if got := h.term(&a) == h.term(&b); got != tc.want {
				t.Errorf("the hashes are the same: %v, want %v", got, tc.want)
			}
		})
	}
}
