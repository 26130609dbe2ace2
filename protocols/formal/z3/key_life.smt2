; The life of any number of keys of one vehicle, for ever: nothing of it is bounded. Proven by induction; see README.md.
;
; Models: src/keygw/credentials/revocation.py (`entries`, `change`, `put_list`), service.py `_now` (iat never goes back),
;   simulators/keygw_sim/vehicle/keeper.py (`accept_list`, `now`, `enrol`, `execute`), rules.py (`judge_key`, `_judge_chain`),
;   KEY_PROTOCOL "Revocation that works offline", and its fast path, which is judged like CMD.
; The sort Key is declared by the runner: for induction any set whatever, for traces three keys; `none` is no key.
; A token says exp and parent, which are fixed for ever (uninterpreted functions).
; Lists are told apart by their sequence. The courier may bring any list ever signed, in any order, again and again.
; The vehicle's clock says anything at any time. Its flash survives; what is not in flash is not modelled as memory.

(declare-fun exp (Key) Int)
(declare-fun parent (Key) Key)

(declare-datatypes ((State 0)) (((state
  (newest Int)                                  ; sequence of the newest list that the service has signed
  (iat (Array Int Int))                         ; of each list
  (listed (Array Int (Array Key Bool)))         ; list -> key -> barred by it, by index or by the watermark
  (revoked (Array Key Bool))                    ; what the service has decided, for ever
  (since (Array Key Int))                       ; key -> sequence of the first list made after that decision
  (seq Int)                                     ; vehicle, flash: sequence of the stored list; 0: none
  (top Int)                                     ; only to say the claim: the greatest sequence that was ever stored
  (floor Int)                                   ; vehicle, flash: time floor
  (clock Int)                                   ; vehicle: what its clock says
  (unlocked Key)))))                            ; the key that unlocked in this step, or none

(define-fun now ((s State)) Int (ite (< (clock s) (floor s)) (floor s) (clock s)))
(define-fun barred ((s State) (k Key)) Bool (and (> (seq s) 0) (select (select (listed s) (seq s)) k)))

(define-fun good ((s State) (k Key)) Bool
  (and (not (barred s k)) (< (now s) (exp k))))
(define-fun good_with_parent ((s State) (k Key)) Bool
  (and (good s k) (=> (distinct (parent k) none) (good s (parent k)))))

(define-fun init ((s State)) Bool
  (and (= (newest s) 0) (= (seq s) 0) (= (top s) 0) (= (unlocked s) none) (= (floor s) 0)
       (forall ((k Key)) (not (select (revoked s) k)))
       (forall ((k Key)) (= (since s) ((as const (Array Key Int)) 0)))))

; The service revokes key k and signs the next list, in one transaction. A list holds every revoked key whose token has
; not ended by the list's own time; for the others the list's time does it.
(define-fun sign_list ((s State) (t State) (k Key)) Bool
  (let ((n (+ (newest s) 1)))
  (and (= (newest t) n)
       (= (revoked t) (ite (distinct k none) (store (revoked s) k true) (revoked s)))
       (= (since t) (ite (and (distinct k none) (not (select (revoked s) k))) (store (since s) k n) (since s)))
       (> (select (iat t) n) 0)
       (=> (> (newest s) 0) (>= (select (iat t) n) (select (iat s) (newest s))))
       (= (iat t) (store (iat s) n (select (iat t) n)))
       (= (listed t) (store (listed s) n (select (listed t) n)))
       (forall ((j Key)) (=> (and (distinct j none) (select (revoked t) j) (> (exp j) (select (iat t) n)))
                             (select (select (listed t) n) j)))
       (= (seq t) (seq s)) (= (top t) (top s)) (= (floor t) (floor s)) (= (clock t) (clock s)) (= (unlocked t) none))))

; The courier brings list n; the vehicle stores it and raises its floor in one write.
(define-fun accept_list ((s State) (t State) (n Int)) Bool
  (and (<= 1 n (newest s))
       (> n (seq s))
       (= (seq t) n)
       (= (top t) (ite (< (top s) n) n (top s)))
       (= (floor t) (ite (< (floor s) (select (iat s) n)) (select (iat s) n) (floor s)))
       (= (newest t) (newest s)) (= (iat t) (iat s)) (= (listed t) (listed s)) (= (revoked t) (revoked s))
       (= (since t) (since s)) (= (clock t) (clock s)) (= (unlocked t) none)))

; Time passes, or the clock is set, or the vehicle loses its power: the clock says anything.
; Another time that the issuer signed, a token's iat for one, may raise the floor.
(define-fun tick ((s State) (t State)) Bool
  (and (= (newest t) (newest s)) (= (iat t) (iat s)) (= (listed t) (listed s)) (= (revoked t) (revoked s))
       (= (since t) (since s)) (= (seq t) (seq s)) (= (top t) (top s)) (>= (floor t) (floor s)) (= (unlocked t) none)))

; A command, in a new session, in one held open, or on the fast path: judged anew each time.
(define-fun unlock ((s State) (t State) (k Key)) Bool
  (and (distinct k none)
       (good_with_parent s k)
       (= (unlocked t) k)
       (= (newest t) (newest s)) (= (iat t) (iat s)) (= (listed t) (listed s)) (= (revoked t) (revoked s))
       (= (since t) (since s)) (= (seq t) (seq s)) (= (top t) (top s)) (= (floor t) (floor s)) (= (clock t) (clock s))))

(define-fun step ((s State) (t State) (k Key) (n Int)) Bool
  (or (sign_list s t k) (accept_list s t n) (tick s t) (unlock s t k)))

; The vehicle has synced the revocation of k: it has once stored a list made when k was revoked, or a later one.
(define-fun synced ((s State) (k Key)) Bool
  (and (distinct k none) (select (revoked s) k) (>= (top s) (select (since s) k))))

; What is claimed: who unlocks has not been revoked in a list that the vehicle ever stored, nor has its parent.
(define-fun safe ((s State)) Bool
  (=> (distinct (unlocked s) none)
      (and (not (synced s (unlocked s)))
           (not (synced s (parent (unlocked s)))))))

; What makes it so, in every state that is ever reached.
(define-fun invariant ((s State)) Bool
  (and (<= 0 (seq s) (newest s))
       (= (top s) (seq s))
       (=> (> (seq s) 0) (>= (floor s) (select (iat s) (seq s))))
       (forall ((k Key)) (=> (and (distinct k none) (select (revoked s) k)) (<= 1 (select (since s) k) (newest s))))
       (forall ((n Int) (k Key))
         (=> (and (distinct k none) (select (revoked s) k) (<= (select (since s) k) n (newest s)))
             (or (select (select (listed s) n) k) (<= (exp k) (select (iat s) n)))))
       (safe s)))

; Not true for want of a trace: a key unlocks, and another one is synced as revoked.
(define-fun interesting ((s State)) Bool
  (and (distinct (unlocked s) none) (distinct (parent (unlocked s)) none) (exists ((k Key)) (synced s k))))
