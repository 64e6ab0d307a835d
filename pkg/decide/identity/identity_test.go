// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSameMachine(t *testing.T) {
	const dell = "4c4c4544-0042-3510-8051-b7c04f563358"
	cases := map[string]struct {
		node, bmc string
		want      Verdict
	}{
		"equal":                                  {dell, dell, Same},
		"other byte order":                       {dell, "44454c4c-4200-1035-8051-b7c04f563358", Same},
		"upper case, no dashes":                  {dell, "4C4C45440042351080 51B7C04F563358", Absent},
		"upper case and no dashes":               {dell, "4C4C4544004235108051B7C04F563358", Same},
		"urn, braces and space":                  {"urn:uuid:" + dell, " {" + dell + "}\n", Same},
		"last byte differs":                      {dell, "4c4c4544-0042-3510-8051-b7c04f563359", Mismatch},
		"first byte differs":                     {dell, "4d4c4544-0042-3510-8051-b7c04f563358", Mismatch},
		"last two fields turned":                 {dell, "4c4c4544-0042-3510-5180-5833564fc0b7", Mismatch},
		"only the first field turned":            {dell, "44454c4c-0042-3510-8051-b7c04f563358", Mismatch},
		"node tells none":                        {"", dell, Absent},
		"BMC tells none":                         {dell, "", Absent},
		"neither tells any":                      {"", "", Absent},
		"all zero on both sides":                 {"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000", Absent},
		"all FF on both sides":                   {"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "ffffffff-ffff-ffff-ffff-ffffffffffff", Absent},
		"vendor default on both sides":           {"03000200-0400-0500-0006-000700080009", "03000200-0400-0500-0006-000700080009", Absent},
		"vendor default, other byte order":       {"00020003-0004-0005-0006-000700080009", "03000200-0400-0500-0006-000700080009", Absent},
		"vendor default on the BMC only":         {dell, "03000200-0400-0500-0006-000700080009", Absent},
		"no UUID but equal texts":                {"To Be Filled By O.E.M.", "To Be Filled By O.E.M.", Absent},
		"too short but equal":                    {"4c4c4544-0042-3510-8051", "4c4c4544-0042-3510-8051", Absent},
		"too long but equal":                     {dell + "00", dell + "00", Absent},
		"an open brace":                          {dell, "{" + dell, Absent},
		"what a virtual machine's BMC has":       {"6f8a5e3c-9d1b-4f6e-8a7c-2b3d4e5f6071", "6F8A5E3C-9D1B-4F6E-8A7C-2B3D4E5F6071", Same},
		"palindromic fields in both orders":      {"aabbbbaa-cccc-dddd-0102-030405060708", "aabbbbaa-cccc-dddd-0102-030405060708", Same},
		"decoy whose UUID shares the last parts": {dell, "11111111-2222-3333-8051-b7c04f563358", Mismatch},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := SameMachine(tc.node, tc.bmc); got != tc.want {
				t.Errorf("SameMachine(%q, %q): got %v, want %v", tc.node, tc.bmc, got, tc.want)
			}
			if got := SameMachine(tc.bmc, tc.node); got != tc.want {
				t.Errorf("the other way round: got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestEveryPlaceholderIsAbsent(t *testing.T) {
	for text := range placeholders {
		u, _ := parse(text)
		for _, form := range []uuid{u, swap(u)} {
			if got := SameMachine(write(form), write(form)); got != Absent {
				t.Errorf("SameMachine(%s) with itself: got %v, want Absent", write(form), got)
			}
		}
	}
}

// write writes a UUID in its usual form.
func write(u uuid) string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// anyUUID draws 16 bytes that are no placeholder.
func anyUUID() *rapid.Generator[uuid] {
	return rapid.Custom(func(t *rapid.T) uuid {
		return uuid(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
	}).Filter(func(u uuid) bool { return !isPlaceholder(u) })
}

// spelled draws one of the ways to write a UUID.
func spelled(t *rapid.T, u uuid, label string) string {
	text := write(u)
	if rapid.Bool().Draw(t, label+" turned") {
		text = write(swap(u))
	}
	if rapid.Bool().Draw(t, label+" upper") {
		text = strings.ToUpper(text)
	}
	if rapid.Bool().Draw(t, label+" no dashes") {
		text = strings.ReplaceAll(text, "-", "")
	}
	return text
}

func TestPropertySpellingDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := anyUUID().Draw(t, "uuid")
		a, b := spelled(t, u, "node"), spelled(t, u, "bmc")
		if got := SameMachine(a, b); got != Same {
			t.Fatalf("SameMachine(%q, %q): got %v, want Same", a, b, got)
		}
	})
}

func TestPropertyAnyOtherByteIsAnotherMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := anyUUID().Draw(t, "uuid")
		other := u
		i := rapid.IntRange(0, 15).Draw(t, "index")
		other[i] ^= rapid.ByteRange(1, 255).Draw(t, "flip")
		if other == swap(u) || isPlaceholder(other) {
			return // the change made the same UUID in the other byte order, or a placeholder
		}
		if got := SameMachine(spelled(t, u, "node"), spelled(t, other, "bmc")); got != Mismatch {
			t.Fatalf("%s and %s: got %v, want Mismatch", write(u), write(other), got)
		}
	})
}

func TestPropertySymmetricAndNeverSameForText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		if SameMachine(a, b) != SameMachine(b, a) {
			t.Fatalf("%q and %q: not symmetric", a, b)
		}
		if _, ok := parse(a); !ok && SameMachine(a, a) != Absent {
			t.Fatalf("%q is no UUID and yet an identity", a)
		}
	})
}
