// Command image packs the folders that ./rootfs lays out into an OCI image, without a
// container engine. The same files, version and time give the same bytes.
//
//	image -rootfs FOLDER -out FILE.tar [-base BASE]
//	image -unpack FILE.tar FOLDER
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var r recipe
	var out, unpacked string
	f := flag.NewFlagSet("image", flag.ContinueOnError)
	f.StringVar(&r.rootfs, "rootfs", "", "folder that rootfs laid out")
	f.StringVar(&r.base, "base", "", "image to build on: an OCI layout, a docker archive or a reference; empty: the folder base of rootfs")
	f.StringVar(&r.name, "name", "telltale", "name that the image is loaded under")
	f.StringVar(&r.version, "version", "", "of the program")
	f.StringVar(&r.commit, "commit", "", "that it was built from")
	f.StringVar(&out, "out", "", "archive to write")
	f.StringVar(&unpacked, "unpack", "", "archive whose files go into the folder that follows")
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	if r.scratch, err = os.MkdirTemp("", "telltale-image-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.scratch) //nolint:errcheck // a temporary folder
	if unpacked != "" && f.NArg() == 1 {
		return unpack(unpacked, f.Arg(0), r.scratch)
	}
	if r.rootfs == "" || out == "" || f.NArg() > 0 {
		return errors.New("want -rootfs FOLDER and -out FILE, or -unpack FILE and a folder")
	}
	if r.created, err = epoch(os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return err
	}
	img, err := r.image()
	if err != nil {
		return err
	}
	digest, err := save(img, r.tag(), out)
	if err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	fmt.Printf("%s: %s %s\n", out, r.tag(), digest)
	return nil
}

// epoch is the time that every file of an image has.
func epoch(seconds string) (v1.Time, error) {
	if seconds == "" {
		return v1.Time{Time: time.Unix(0, 0).UTC()}, nil
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return v1.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %q is not allowed: want seconds since 1970", seconds)
	}
	return v1.Time{Time: time.Unix(n, 0).UTC()}, nil
}
