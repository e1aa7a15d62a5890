// kfaked: franz-go's in-memory broker as a process. It says READY and where it listens; then a command is a line in, "ok …" or
// "err …" a line out. It ends with its input.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func main() {
	versions := kversion.Tip()
	// from version 5 on Java's client wants the configs of a new topic, which kfake leaves out
	versions.SetMaxKeyVersion(int16(kmsg.CreateTopics), 4)
	// where a leader has moved and nothing was written since, kfake does not know where the epoch before ended, Kafka does: to
	// any client as Java's that is a truncated log, and it begins anew
	versions.SetMaxKeyVersion(int16(kmsg.OffsetForLeaderEpoch), -1)
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(3),
		kfake.MaxVersions(versions),
		// as in node.properties: short timeouts allowed
		kfake.GroupMinSessionTimeout(100*time.Millisecond),
		kfake.BrokerConfigs(map[string]string{
			"group.consumer.heartbeat.interval.ms": "200",
			"group.consumer.session.timeout.ms":    "3000",
		}))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("READY", strings.Join(cluster.ListenAddrs(), ","))
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		if answer, err := run(cluster, commands.Text()); err != nil {
			fmt.Println("err", err)
		} else {
			fmt.Println("ok", answer)
		}
	}
}

func run(cluster *kfake.Cluster, command string) (string, error) {
	name, rest, _ := strings.Cut(command, " ")
	arguments := strings.Fields(rest)
	number := func(at int) int32 {
		n, _ := strconv.Atoi(arguments[at])
		return int32(n)
	}
	switch fmt.Sprint(name, len(arguments)) {
	case "move3":
		return "", cluster.MoveTopicPartition(arguments[0], number(1), number(2))
	case "leader2":
		return fmt.Sprint(cluster.LeaderFor(arguments[0], number(1))), nil
	case "rehash0":
		cluster.RehashCoordinators()
		return "", nil
	case "coordinator1":
		return fmt.Sprint(cluster.CoordinatorFor(arguments[0])), nil
	}
	return "", errors.New("no such command")
}
