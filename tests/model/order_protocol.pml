/*
 * The order protocol of the router, small enough to look at every interleaving.
 *
 * One exit of a strategy: order 0, and order 1 once the log says that order 0 never reached the
 * exchange. Two router processes may run at once, pause anywhere, be killed at any step and start
 * again with nothing but the log. Requests and replies get lost or take their time; so do notices
 * of executions, which may also come twice. The log is the one thing that is shared, and an append
 * succeeds only against the newest entry of its order (optimistic concurrency).
 *
 *   write ahead -> check the lease -> call, once -> accepted | unknown
 *   unknown     -> ask the broker   -> adopted | released (never re-sent)
 *
 * What is abstracted: a request on its way either arrives or is lost within the time-out of the
 * call, which is shorter than the wait before an order is released as not found; the check of the
 * lease and the call are one step, because no system can fence the call itself.
 *
 * What must hold in every reachable state is in CHECK; what must hold once nothing moves any more
 * is in the monitor. Each BUG_... switch puts a known mistake back in and must make spin find it:
 *
 *   BUG_SEND_FIRST   the call leaves before the write-ahead is durable
 *   BUG_NO_OCC       the write-ahead is appended whatever the log holds (the lease still saves
 *                    the day: only together with BUG_NO_LEASE is an order doubled)
 *   BUG_RETRY        a call without answer is made again
 *   BUG_BLIND        an order without answer is released without asking the broker
 *   BUG_NO_LEASE     a router that was paused calls although another has taken over
 *   BUG_COUNT_TWICE  a notice and an inquiry of one execution are both booked
 */

#define ORDERS   2
#define ROUTERS  2
#define NOBODY   255

#ifndef CRASHES
#define CRASHES  2                      /* how often a router process is killed in all */
#endif
#ifndef PAUSES
#define PAUSES   2                      /* how often a holder is paused past its lease */
#endif

/* States of an order on the log. */
#define NONE       0
#define SUBMITTING 1
#define UNKNOWN    2
#define ACCEPTED   3
#define RELEASED   4

/* The log: newest state and number of entries of each order, executions booked, the lease. */
byte state[ORDERS];
byte version[ORDERS];
byte booked[ORDERS];
byte holder = NOBODY;

/* The exchange: orders it has taken in for each order id, and whether that order was executed. */
byte placed[ORDERS];
byte executed[ORDERS];

/* The network: requests on their way, replies on their way to a router, notices on their way. */
byte requests[ORDERS];
byte replies[ORDERS];
byte replyTo[ORDERS];
byte notices[ORDERS];

/* The processes: whose lease is still fresh by its own clock, and what has been done to them. */
bool fresh[ROUTERS];
byte crashes;
byte pauses;

/* At most one order per order id. With DOUBLES_ONLY nothing else is looked at. */
#define ONE_PER_ID (placed[0] <= 1 && placed[1] <= 1)

#ifdef DOUBLES_ONLY
#define CHECK assert(ONE_PER_ID)
#else
/* Nor is a new order sent while the old one may live, nor any before its write-ahead. */
#define CHECK                                                       \
    assert(ONE_PER_ID);                                             \
    assert(placed[0] + placed[1] <= 1);                             \
    assert(placed[0] == 0 || state[0] != NONE);                     \
    assert(placed[1] == 0 || state[1] != NONE);                     \
    assert(booked[0] <= executed[0] && booked[1] <= executed[1])
#endif

/* Append one event of an order; `done` says whether the log took it. */
#define APPEND(order, seen, new)                                      \
    atomic {                                                          \
        if                                                            \
        :: version[order] == seen || UNCHECKED ->                     \
            state[order] = new; version[order]++; done = true         \
        :: else -> done = false                                       \
        fi                                                            \
    }

#ifdef BUG_NO_OCC
#define UNCHECKED true
#else
#define UNCHECKED false
#endif

/* Order 1 exists only after order 0 was released: the strategy's second attempt. */
#define DECIDED(order) (order == 0 || state[0] == RELEASED)

/* Being sent by somebody else, and nothing of it is on its way any more. An idle router sends
   nothing itself; a router that was paused may append its write-ahead after another took over. */
#define SILENT(order) (state[order] == SUBMITTING && requests[order] == 0 && replies[order] == 0)

/* Killed here, if the budget allows: everything but the log is forgotten. */
#define MAY_DIE                                                       \
    if                                                                \
    :: true                                                           \
    :: crashes < CRASHES -> crashes++; fresh[me] = false; goto start  \
    fi

proctype Router(byte me) {
    byte order, seen;
    bool done, again;

start:
    /* Stand by until the lease is free, its holder dead, or its time over. */
    order = 0; seen = 0; done = false; again = false;
end_standby:
    atomic {
        holder == NOBODY || !fresh[holder] -> holder = me; fresh[me] = true
    }

    /* Recovery: what was being sent when its process ended has no answer. */
    order = 0;
    do
    :: order < ORDERS ->
        atomic { seen = version[order]; again = (state[order] == SUBMITTING) }
        MAY_DIE;
        if
        :: again -> APPEND(order, seen, UNKNOWN)
        :: else
        fi;
        order++
    :: else -> break
    od;

work:
    MAY_DIE;
end_idle:
    if
    :: !fresh[me] -> goto start            /* the lease is lost: end, and stand by again */
    :: fresh[me] && DECIDED(0) && state[0] == NONE -> order = 0; goto submit
    :: fresh[me] && DECIDED(1) && state[1] == NONE -> order = 1; goto submit
    :: fresh[me] && SILENT(0) -> order = 0; goto doubt
    :: fresh[me] && SILENT(1) -> order = 1; goto doubt
    :: fresh[me] && state[0] == UNKNOWN -> order = 0; goto settle
    :: fresh[me] && state[1] == UNKNOWN -> order = 1; goto settle
    :: atomic { replies[0] > 0 && replyTo[0] == me -> replies[0]--; order = 0 } goto answer
    :: atomic { replies[1] > 0 && replyTo[1] == me -> replies[1]--; order = 1 } goto answer
    :: atomic { notices[0] > 0 -> notices[0]--; order = 0 } goto book
    :: atomic { notices[1] > 0 -> notices[1]--; order = 1 } goto book
    :: fresh[me] && state[0] == ACCEPTED && executed[0] > booked[0] -> order = 0; goto book
    :: fresh[me] && state[1] == ACCEPTED && executed[1] > booked[1] -> order = 1; goto book
    fi;

submit:
    seen = version[order];
    MAY_DIE;
#ifdef BUG_SEND_FIRST
    atomic { requests[order]++; replyTo[order] = me }
    MAY_DIE;
#endif
    APPEND(order, seen, SUBMITTING);
    if
    :: !done -> goto work                  /* somebody else began it: it is theirs */
    :: else
    fi;
    MAY_DIE;
#ifndef BUG_SEND_FIRST
    atomic {
        if
#ifdef BUG_NO_LEASE
        :: true -> requests[order]++; replyTo[order] = me
#else
        :: fresh[me] -> requests[order]++; replyTo[order] = me
        :: else -> goto start
#endif
        fi
    }
    MAY_DIE;
#endif
    /* The call ends with a reply, or without one when neither request nor reply is on its way. */
    if
    :: atomic { replies[order] > 0 && replyTo[order] == me -> replies[order]-- }
       goto answer
    :: requests[order] == 0 && replies[order] == 0
    fi;
#ifdef BUG_RETRY
    atomic { requests[order]++; replyTo[order] = me }
    MAY_DIE;
#endif
    atomic { seen = version[order]; again = (state[order] == SUBMITTING) }
    if
    :: again -> APPEND(order, seen, UNKNOWN)
    :: else
    fi;
    goto work;

answer:
    atomic { seen = version[order]; again = (state[order] == SUBMITTING || state[order] == UNKNOWN) }
    MAY_DIE;
    if
    :: again ->
        APPEND(order, seen, ACCEPTED);
        if
        :: !done -> goto answer
        :: else
        fi
    :: else
    fi;
    goto work;

doubt:
    seen = version[order];
    MAY_DIE;
    if
    :: SILENT(order) -> APPEND(order, seen, UNKNOWN)
    :: else
    fi;
    goto work;

settle:
    /* Look at the broker's orders; without a row the order is released after the call's time-out. */
    seen = version[order];
    MAY_DIE;
    if
#ifdef BUG_BLIND
    :: true -> APPEND(order, seen, RELEASED)
#else
    :: placed[order] > 0 -> APPEND(order, seen, ACCEPTED)
    :: atomic { placed[order] == 0 && requests[order] == 0 ->
                if
                :: version[order] == seen -> state[order] = RELEASED; version[order]++
                :: else
                fi }
#endif
    :: requests[order] > 0                 /* no row yet: ask again later */
    fi;
    goto work;

book:
    /* A notice and the broker's list tell of the same execution: it is booked once. */
    MAY_DIE;
    atomic {
        if
#ifdef BUG_COUNT_TWICE
        :: state[order] == ACCEPTED -> booked[order]++
#else
        :: state[order] == ACCEPTED && booked[order] < executed[order] -> booked[order]++
#endif
        :: else                            /* its order has no number yet: the list will tell */
        fi
    }
    goto work
}

/* Requests and replies arrive or are lost; orders are executed; notices come, twice, or never. */
proctype Network() {
    byte order;
end:
    do
    :: atomic { requests[0] > 0 -> order = 0 } goto deliver
    :: atomic { requests[1] > 0 -> order = 1 } goto deliver
    :: atomic { replies[0] > 0 -> replies[0]-- }                  /* a reply is lost */
    :: atomic { replies[1] > 0 -> replies[1]-- }
    :: atomic { placed[0] > executed[0] -> executed[0]++; order = 0 } goto tell
    :: atomic { placed[1] > executed[1] -> executed[1]++; order = 1 } goto tell
    od;
deliver:
    atomic {
        if
        :: requests[order]-- ; placed[order]++; CHECK; replies[order]++
        :: requests[order]--                                      /* a request is lost */
        fi
    }
    goto end;
tell:
    atomic {
        if
        :: notices[order]++
        :: notices[order] = notices[order] + 2                    /* it comes twice */
        :: skip                                                   /* it is lost */
        fi
    }
    goto end
}

/* A pause longer than the lease: its holder's own clock says so before anybody may take over. */
proctype Clock() {
end:
    do
    :: atomic { holder != NOBODY && fresh[holder] && pauses < PAUSES ->
                fresh[holder] = false; pauses++ }
    od
}

/* Once nothing moves any more, nothing has been forgotten. */
proctype Monitor() {
end:
    atomic {
        timeout ->
        CHECK;
#ifndef DOUBLES_ONLY
        assert(placed[0] == 0 || state[0] == ACCEPTED);
        assert(placed[1] == 0 || state[1] == ACCEPTED);
        assert(booked[0] == executed[0] && booked[1] == executed[1]);
        assert(state[0] != SUBMITTING && state[0] != UNKNOWN);
        assert(state[1] != SUBMITTING && state[1] != UNKNOWN)
#endif
    }
}

init {
    atomic {
        run Router(0);
        run Router(1);
        run Network();
        run Clock();
        run Monitor()
    }
}
