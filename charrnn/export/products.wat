;; Products of rows of 8-bit weights with 16-bit units, added exactly in 32 bits.
;; The number of rows is a multiple of 4; their width in bytes is a multiple of 16.
(module
  (memory (import "page" "memory") 1)

  (func $sum (param $lanes v128) (result i32)
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $lanes)) (i32x4.extract_lane 1 (local.get $lanes)))
      (i32.add (i32x4.extract_lane 2 (local.get $lanes)) (i32x4.extract_lane 3 (local.get $lanes)))))

  (func $plus (param $total v128) (param $row i32) (param $low v128) (param $high v128) (result v128)
    (local $weights v128)
    (local.set $weights (v128.load (local.get $row)))
    (i32x4.add
      (local.get $total)
      (i32x4.add
        (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_s (local.get $weights)) (local.get $low))
        (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_s (local.get $weights)) (local.get $high)))))

  (func (export "products")
    (param $weights i32) (param $units i32) (param $sums i32) (param $rows i32) (param $width i32)
    (local $end i32) (local $row i32) (local $unit i32) (local $low v128) (local $high v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $end (i32.add (local.get $sums) (i32.shl (local.get $rows) (i32.const 2))))
    (loop $fours
      (local.set $a (v128.const i32x4 0 0 0 0))
      (local.set $b (local.get $a))
      (local.set $c (local.get $a))
      (local.set $d (local.get $a))
      (local.set $unit (local.get $units))
      (local.set $row (i32.add (local.get $weights) (local.get $width)))
      (loop $sixteens
        (local.set $low (v128.load (local.get $unit)))
        (local.set $high (v128.load offset=16 (local.get $unit)))
        (local.set $a (call $plus (local.get $a) (local.get $weights) (local.get $low) (local.get $high)))
        (local.set $b (call $plus (local.get $b)
          (i32.add (local.get $weights) (local.get $width)) (local.get $low) (local.get $high)))
        (local.set $c (call $plus (local.get $c)
          (i32.add (local.get $weights) (i32.shl (local.get $width) (i32.const 1)))
          (local.get $low) (local.get $high)))
        (local.set $d (call $plus (local.get $d)
          (i32.add (local.get $weights) (i32.mul (local.get $width) (i32.const 3)))
          (local.get $low) (local.get $high)))
        (local.set $unit (i32.add (local.get $unit) (i32.const 32)))
        (local.set $weights (i32.add (local.get $weights) (i32.const 16)))
        (br_if $sixteens (i32.lt_u (local.get $weights) (local.get $row))))
      (local.set $weights (i32.add (local.get $weights) (i32.mul (local.get $width) (i32.const 3))))
      (i32.store (local.get $sums) (call $sum (local.get $a)))
      (i32.store offset=4 (local.get $sums) (call $sum (local.get $b)))
      (i32.store offset=8 (local.get $sums) (call $sum (local.get $c)))
      (i32.store offset=12 (local.get $sums) (call $sum (local.get $d)))
      (local.set $sums (i32.add (local.get $sums) (i32.const 16)))
      (br_if $fours (i32.lt_u (local.get $sums) (local.get $end))))))
