package calm

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The server's names. The first two are what is changed; nothing else ever is.
const (
	maxDirty      = "innodb_max_dirty_pages_pct"
	maxDirtyLow   = "innodb_max_dirty_pages_pct_lwm"
	checkpointNow = "innodb_log_checkpoint_now"
	pagesDirty    = "Innodb_buffer_pool_pages_dirty"
	pagesTotal    = "Innodb_buffer_pool_pages_total"
)

const (
	// askLimit bounds short questions and SET statements, which take milliseconds unless something is wrong.
	askLimit = 5 * time.Second
	// pollEvery is the distance of two looks at a status variable. The server sums up counters for each.
	pollEvery = 100 * time.Millisecond
	// leftoverWait is how long zeros are watched before they count as the server's own.
	leftoverWait = 2 * time.Second
)

var errSlow = errors.New("calm: the server does not answer in time")

// login is how a server is reached. The guard gets it through its pipe.
type login struct {
	Socket   string `json:"socket"`
	Address  string `json:"address,omitempty"` // HOST:PORT, in place of the socket
	User     string `json:"user"`
	Password string `json:"password"`
}

// setting is one changed variable: what it was before it was set to 0.
type setting struct {
	Name string `json:"name"`
	Old  string `json:"old"`
}

// number is how both variables are shown. The text goes into a statement, so nothing else may.
var number = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,12})?$`)

func (s setting) valid() error {
	if s.Name != maxDirty && s.Name != maxDirtyLow {
		return fmt.Errorf("setting %q is none that may be changed", s.Name)
	}
	if !number.MatchString(s.Old) {
		return fmt.Errorf("value %q of %s is no percentage", s.Old, s.Name)
	}
	return nil
}

// zero says whether a percentage that valid has seen is 0.
func zero(value string) bool {
	f, err := strconv.ParseFloat(value, 64)
	return err == nil && f == 0
}

// where names the server for messages.
func (l login) where() string {
	if l.Address != "" {
		return l.Address
	}
	return l.Socket
}

// connect makes a small pool; no connection is made before the first question. Nothing is asked when a connection is made (a donor
// that rejects queries still takes SET and SHOW), and the driver logs nothing.
func connect(l login) (*sql.DB, error) {
	if l.Socket == "" && l.Address == "" {
		return nil, errors.New("connect to the server: its socket is not known; set socket in the option file")
	}
	config := mysql.NewConfig()
	config.User, config.Passwd = l.User, l.Password
	config.Net, config.Addr = "unix", l.Socket
	if l.Address != "" {
		config.Net, config.Addr = "tcp", l.Address
	}
	config.Timeout = askLimit
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the server at %s: %w", l.where(), err)
	}
	db := sql.OpenDB(connector)
	// One works on a checkpoint while another one can end it.
	db.SetMaxOpenConns(2)
	db.SetMaxIdleConns(2)
	return db, nil
}

// variables returns global variables by name; one that the server does not have is missing from the result.
func variables(ctx context.Context, db *sql.DB, names ...string) (map[string]string, error) {
	return show(ctx, db, "SHOW GLOBAL VARIABLES", names)
}

// show uses SHOW because a node that is not ready refuses SELECT. Names are constants of this package.
func show(ctx context.Context, db *sql.DB, what string, names []string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, what+" WHERE Variable_name IN ('"+strings.Join(names, "','")+"')")
	if err != nil {
		return nil, cause(ctx, err)
	}
	defer rows.Close()
	values := make(map[string]string, len(names))
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, cause(ctx, rows.Err())
}

// set changes a global variable. Both parts must be constants or have been checked.
func set(ctx context.Context, db *sql.DB, name, value string) error {
	_, err := db.ExecContext(ctx, "SET GLOBAL "+name+"="+value)
	return cause(ctx, err)
}

// putBack restores what still is 0, as we left it; anything else is somebody's later choice, or that of a new server, and is
// named in kept. did is how many were set. The maximum must come before the low mark, which the server keeps below it.
func putBack(ctx context.Context, db *sql.DB, settings []setting) (kept []string, did int, err error) {
	vars, err := variables(ctx, db, maxDirty, maxDirtyLow)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range settings {
		if !zero(vars[s.Name]) {
			// An earlier attempt of ours may have got this far.
			if vars[s.Name] != s.Old {
				kept = append(kept, s.Name)
			}
			continue
		}
		if err := set(ctx, db, s.Name, s.Old); err != nil {
			return nil, did, err
		}
		did++
	}
	return kept, did, nil
}

// cause puts the reason for the end of ctx in the place of what the driver made of it.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// gone says whether nobody listens on the socket: the server has ended, and its settings with it.
func gone(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

// Error numbers of MySQL and MariaDB.
const (
	errAccessDenied   = 1045
	errPrivilege      = 1227
	errAccessDeniedNo = 1698 // the account has no password and is known by its socket
)

// denied says whether the server refused us, which trying again does not change.
func denied(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == errAccessDenied || e.Number == errPrivilege || e.Number == errAccessDeniedNo)
}

// explain adds what to do to errors that the operator can mend.
func explain(err error) error {
	var e *mysql.MySQLError
	switch {
	case !errors.As(err, &e):
		return err
	case e.Number == errPrivilege:
		return fmt.Errorf("%w; the account of wsrep_sst_auth needs GRANT SUPER, PROCESS ON *.*", err)
	case denied(err):
		return fmt.Errorf("%w; check user and password of wsrep_sst_auth", err)
	}
	return err
}

// pause waits for d or the end of ctx, whose cause it returns.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
