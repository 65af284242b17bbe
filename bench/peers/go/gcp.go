// The id of this instance, by Google's own client.
package main

import (
	"fmt"
	"os"

	"cloud.google.com/go/compute/metadata"
)

func main() {
	value, err := metadata.InstanceID()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(value)
}
