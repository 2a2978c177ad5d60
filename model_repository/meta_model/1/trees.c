#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <float.h>
#include <math.h>
#include <stdint.h>

#if defined(__clang__) || defined(__GNUC__)
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define LIKELY(x)   (x)
#define UNLIKELY(x) (x)
#endif

#define N_TARGET 1
#define MAX_N_CLASS 1

union Entry {
  int missing;
  double fvalue;
  int qvalue;
};

int32_t get_num_target(void);
void get_num_class(int32_t* out);
int32_t get_num_feature(void);
const char* get_threshold_type(void);
const char* get_leaf_output_type(void);
void predict(union Entry* data, int pred_margin, double* result);
void postprocess(double* result);
static const int32_t num_class[] = {  1, };

int32_t get_num_target(void) {
  return N_TARGET;
}
void get_num_class(int32_t* out) {
  for (int i = 0; i < N_TARGET; ++i) {
    out[i] = num_class[i];
  }
}
int32_t get_num_feature(void) {
  return 8;
}
const char* get_threshold_type(void) {
  return "float64";
}
const char* get_leaf_output_type(void) {
  return "float64";
}

void predict(union Entry* data, int pred_margin, double* result) {
  unsigned int tmp;
  if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.00000001800250948e-35) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7915587127208708607) ) ) {
      result[0] += -0.15714285714285714;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.0611506476998329232) ) ) {
        result[0] += -0.0367816091954023;
      } else {
        result[0] += -0.12432432432432433;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.04118800349533558586) ) ) {
        result[0] += -0.034999999999999996;
      } else {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05194954201579094627) ) ) {
          result[0] += 0.09777777777777778;
        } else {
          result[0] += 0.01935483870967742;
        }
      }
    } else {
      result[0] += 0.17256317689530687;
    }
  }
  if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.0120205660350620764) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7162165939807890735) ) ) {
      result[0] += -0.1387187651669751;
    } else {
      result[0] += -0.041309750187588395;
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.04118800349533558586) ) ) {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.040132284164429599) ) ) {
          result[0] += 0.03338746054634897;
        } else {
          result[0] += -0.041309750187588395;
        }
      } else {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05194954201579094627) ) ) {
          result[0] += 0.0863252762880945;
        } else {
          result[0] += 0.03338746054634897;
        }
      }
    } else {
      result[0] += 0.15674246773450293;
    }
  }
  if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.00000001800250948e-35) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7915587127208708607) ) ) {
      result[0] += -0.13097477686110096;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.0611506476998329232) ) ) {
        result[0] += -0.030486581129177154;
      } else {
        result[0] += -0.10886823071479704;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.04118800349533558586) ) ) {
        result[0] += -0.030486581129177154;
      } else {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05194954201579094627) ) ) {
          result[0] += 0.08115740938547497;
        } else {
          result[0] += 0.014431408669774187;
        }
      }
    } else {
      result[0] += 0.14418212642470887;
    }
  }
  if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.0120205660350620764) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7915587127208708607) ) ) {
      result[0] += -0.12096658270290417;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.0611506476998329232) ) ) {
        result[0] += -0.024741764129139004;
      } else {
        result[0] += -0.10036815051989288;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.04118800349533558586) ) ) {
        result[0] += -0.02346119374152751;
      } else {
        result[0] += 0.04841921236228965;
      }
    } else {
      if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
        result[0] += 0.0988953847271489;
      } else {
        result[0] += 0.15791828363956886;
      }
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.100100040435791238) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.6456972360610960804) ) ) {
      result[0] += -0.10600404321363442;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03718137927353382804) ) ) {
        result[0] += 0.06607372055698733;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.48527765274047896) ) ) {
          result[0] += -0.07623632503436074;
        } else {
          if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.4145689159631728571) ) ) {
            result[0] += -0.05809293610741652;
          } else {
            result[0] += 0.0257174739925026;
          }
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.866917967796326128) ) ) {
      result[0] += 0.06607372055698733;
    } else {
      result[0] += 0.143213127653794;
    }
  }
  if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.00000001800250948e-35) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7915587127208708607) ) ) {
      result[0] += -0.10523913671479129;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.0611506476998329232) ) ) {
        result[0] += -0.023089751422461436;
      } else {
        result[0] += -0.08970772674445432;
      }
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.088416337966919389) ) ) {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.04118800349533558586) ) ) {
        result[0] += -0.023089751422461436;
      } else {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05093858391046524742) ) ) {
          result[0] += 0.07461725329593838;
        } else {
          result[0] += 0.018945117919657525;
        }
      }
    } else {
      result[0] += 0.12486199589645203;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.100100040435791238) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7162165939807890735) ) ) {
      result[0] += -0.09518366589040819;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03718137927353382804) ) ) {
        result[0] += 0.055377550128544686;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.48527765274047896) ) ) {
          result[0] += -0.07259696361510458;
        } else {
          if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.4145689159631728571) ) ) {
            result[0] += -0.0492071454747674;
          } else {
            result[0] += 0.01938510761222843;
          }
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.866917967796326128) ) ) {
      result[0] += 0.055377550128544686;
    } else {
      result[0] += 0.1298577635297773;
    }
  }
  if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.00000001800250948e-35) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7915587127208708607) ) ) {
      result[0] += -0.09251662393471266;
    } else {
      result[0] += -0.027757999886909454;
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.088416337966919389) ) ) {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04355636797845364311) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3810992687940598089) ) ) {
          result[0] += 0.10883942322805279;
        } else {
          result[0] += -0.014329014082869138;
        }
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.869249582290650302) ) ) {
          result[0] += 0.019927035445890057;
        } else {
          result[0] += -0.027757999886909454;
        }
      }
    } else {
      result[0] += 0.1127941631240536;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.273612797260284646) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.6456972360610960804) ) ) {
      result[0] += -0.08073079171364009;
    } else {
      if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.6233789920806883655) ) ) {
        result[0] += -0.04978127766941239;
      } else {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.812610149383545366) ) ) {
          result[0] += -0.019853097102929228;
        } else {
          result[0] += 0.018309032408419294;
        }
      }
    }
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
      if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)302.9000091552734943) ) ) {
        result[0] += 0.018309032408419294;
      } else {
        result[0] += 0.09923627581708755;
      }
    } else {
      result[0] += 0.12737441466883434;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7162165939807890735) ) ) {
      result[0] += -0.07843351897251283;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03718137927353382804) ) ) {
        result[0] += 0.06620250326772113;
      } else {
        if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)287.3000030517578693) ) ) {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.2470704913139343539) ) ) {
            result[0] += 0.08373880403335832;
          } else {
            result[0] += -0.042108480838556554;
          }
        } else {
          if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.00000001800250948e-35) ) ) {
            result[0] += -0.04359854269342249;
          } else {
            result[0] += 0.0008811117852494479;
          }
        }
      }
    }
  } else {
    result[0] += 0.09683696894154538;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7915587127208708607) ) ) {
      if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)329.7666625976563068) ) ) {
        result[0] += -0.0906044987794838;
      } else {
        result[0] += -0.0354811055534545;
      }
    } else {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.01442051911726594145) ) ) {
        result[0] += -0.0354811055534545;
      } else {
        result[0] += 0.014924958611370949;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
      if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)302.0333404541016193) ) ) {
        result[0] += 0.014924958611370949;
      } else {
        result[0] += 0.10371752030641182;
      }
    } else {
      result[0] += 0.1206342046785882;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.7915587127208708607) ) ) {
      if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)329.7666625976563068) ) ) {
        result[0] += -0.08581703633113386;
      } else {
        result[0] += -0.032195328347557305;
      }
    } else {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.01442051911726594145) ) ) {
        result[0] += -0.032195328347557305;
      } else {
        result[0] += 0.01346134099415288;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
      if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)302.0333404541016193) ) ) {
        result[0] += 0.01346134099415288;
      } else {
        result[0] += 0.09929510837926137;
      }
    } else {
      result[0] += 0.11749867214053865;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.196608126163482444) ) ) {
      result[0] += -0.08534432743625246;
    } else {
      if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)279.5000000000000568) ) ) {
        result[0] += 0.08380708979674305;
      } else {
        if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.6745877861976624645) ) ) {
          if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.0120205660350620764) ) ) {
            result[0] += -0.04319702020160822;
          } else {
            if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.895961999893189365) ) ) {
              result[0] += 0.018126351240203974;
            } else {
              result[0] += -0.04319702020160822;
            }
          }
        } else {
          result[0] += 0.018126351240203974;
        }
      }
    }
  } else {
    result[0] += 0.08405804557247942;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.786868393421173318) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.196608126163482444) ) ) {
      result[0] += -0.08100328022351426;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.0572750717401504586) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4106345772743225653) ) ) {
          result[0] += 0.003114941575190336;
        } else {
          result[0] += -0.07106930302093649;
        }
      } else {
        result[0] += -0.04176437474344748;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
      if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)302.0333404541016193) ) ) {
        result[0] += 0.003114941575190336;
      } else {
        result[0] += 0.09179524417850517;
      }
    } else {
      result[0] += 0.11287484510647255;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.088416337966919389) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.6456972360610960804) ) ) {
      result[0] += -0.0554227104712731;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04361857660114765861) ) ) {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.175539493560791904) ) ) {
          if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5845757424831391491) ) ) {
            if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03718137927353382804) ) ) {
              result[0] += 0.05723337665997702;
            } else {
              result[0] += -0.0554227104712731;
            }
          } else {
            result[0] += 0.0704253987870469;
          }
        } else {
          result[0] += 0.08464724249909208;
        }
      } else {
        result[0] += -0.009475841250670029;
      }
    }
  } else {
    result[0] += 0.08464724249909208;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.866917967796326128) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.9905906617641447864) ) ) {
      result[0] += -0.06548670692132934;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04361857660114765861) ) ) {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.175539493560791904) ) ) {
          if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5845757424831391491) ) ) {
            result[0] += -0.02182438411759393;
          } else {
            result[0] += 0.06401444521595061;
          }
        } else {
          result[0] += 0.09834691749767384;
        }
      } else {
        if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)280.3666534423828693) ) ) {
          result[0] += 0.07951499532887313;
        } else {
          result[0] += -0.01832595716943212;
        }
      }
    }
  } else {
    result[0] += 0.09834691749767384;
  }
  if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.00000001800250948e-35) ) ) {
    result[0] += -0.03343074846755431;
  } else {
    if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.869249582290650302) ) ) {
        if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.1692448407411575595) ) ) {
          result[0] += 0.10380463653829729;
        } else {
          if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.2185814380645752231) ) ) {
            result[0] += -0.02385943896492431;
          } else {
            if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)294.2333221435547443) ) ) {
              result[0] += 0.07115943007029278;
            } else {
              result[0] += 0.009833868498160854;
            }
          }
        }
      } else {
        result[0] += -0.03343074846755431;
      }
    } else {
      result[0] += 0.10715437660359578;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.301500320434570757) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.196608126163482444) ) ) {
      result[0] += -0.06887018661858417;
    } else {
      if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.6666330099105836071) ) ) {
        if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)280.3666534423828693) ) ) {
          result[0] += 0.027030533799315803;
        } else {
          if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.0120205660350620764) ) ) {
            result[0] += -0.032642355884530475;
          } else {
            if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.895961999893189365) ) ) {
              result[0] += 0.025240291539932454;
            } else {
              result[0] += -0.032642355884530475;
            }
          }
        }
      } else {
        result[0] += 0.027030533799315803;
      }
    }
  } else {
    result[0] += 0.10084101167786866;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.301500320434570757) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.196608126163482444) ) ) {
      result[0] += -0.06521053646532259;
    } else {
      if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.6666330099105836071) ) ) {
        result[0] += -0.01048541353739986;
      } else {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)287.3000030517578693) ) ) {
          result[0] += 0.06895593121545122;
        } else {
          if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04372419975697994926) ) ) {
            if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.261071801185608354) ) ) {
              result[0] += -0.01048541353739986;
            } else {
              result[0] += 0.09076620695656423;
            }
          } else {
            result[0] += -0.01048541353739986;
          }
        }
      }
    }
  } else {
    result[0] += 0.09874468405887443;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.196608126163482444) ) ) {
      result[0] += -0.06167444926501108;
    } else {
      if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)279.5000000000000568) ) ) {
        result[0] += 0.07960987997474178;
      } else {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03718137927353382804) ) ) {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4106345772743225653) ) ) {
            result[0] += 0.08206409508970064;
          } else {
            result[0] += -0.026415544497433902;
          }
        } else {
          if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.00000001800250948e-35) ) ) {
            result[0] += -0.023960549054111418;
          } else {
            result[0] += 0.00619292094865283;
          }
        }
      }
    }
  } else {
    result[0] += 0.10211449365698816;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.196608126163482444) ) ) {
      result[0] += -0.05825446689262587;
    } else {
      if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)279.5000000000000568) ) ) {
        result[0] += 0.07329499146662179;
      } else {
        if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.6666330099105836071) ) ) {
          result[0] += -0.013395380455358655;
        } else {
          if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)287.3000030517578693) ) ) {
            result[0] += 0.06661594945839906;
          } else {
            if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)301.1666717529297443) ) ) {
              result[0] += -0.013395380455358655;
            } else {
              result[0] += 0.03294072846161747;
            }
          }
        }
      }
    }
  } else {
    result[0] += 0.10056207597655005;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.196608126163482444) ) ) {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04770461097359657981) ) ) {
        result[0] += -0.026238833942240053;
      } else {
        result[0] += -0.09205123197709367;
      }
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03718137927353382804) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4106345772743225653) ) ) {
          result[0] += 0.07469795218046317;
        } else {
          result[0] += -0.02554831466248307;
        }
      } else {
        if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)280.3666534423828693) ) ) {
          result[0] += 0.06060838439668353;
        } else {
          result[0] += -0.007361823102522522;
        }
      }
    }
  } else {
    result[0] += 0.09907099761178374;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.6456972360610960804) ) ) {
      if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)304.6333465576172443) ) ) {
        result[0] += -0.061716749207048116;
      } else {
        if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.1978501453995704928) ) ) {
          result[0] += 0.0017512123547796365;
        } else {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.115771055221558505) ) ) {
            result[0] += 0.0017512123547796365;
          } else {
            result[0] += -0.07652480926348235;
          }
        }
      }
    } else {
      if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)280.3666534423828693) ) ) {
        result[0] += 0.08427597654555631;
      } else {
        result[0] += 0.0017512123547796365;
      }
    }
  } else {
    result[0] += 0.0976263507112966;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.196608126163482444) ) ) {
      result[0] += -0.049037026344094244;
    } else {
      if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)1.064028203487396462) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.06411944329738618331) ) ) {
          if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.408059120178223544) ) ) {
            if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)301.1666717529297443) ) ) {
              result[0] += 0.0055320367283619686;
            } else {
              result[0] += -0.049037026344094244;
            }
          } else {
            result[0] += 0.024160523494693654;
          }
        } else {
          result[0] += -0.04692811458116088;
        }
      } else {
        result[0] += 0.03198437702527327;
      }
    }
  } else {
    result[0] += 0.09621526502033333;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.797012090682983176) ) ) {
      result[0] += -0.09198048628653573;
    } else {
      if ( UNLIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.01442051911726594145) ) ) {
        if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)298.5666656494141193) ) ) {
          if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.4597862213850020807) ) ) {
            result[0] += -0.09198048628653573;
          } else {
            result[0] += -0.004146420939418669;
          }
        } else {
          result[0] += -0.0009575458429972178;
        }
      } else {
        if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)280.3666534423828693) ) ) {
          result[0] += 0.08306705736376216;
        } else {
          result[0] += 0.005638324138046283;
        }
      }
    }
  } else {
    result[0] += 0.09482667523904958;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-1.535797536373138206) ) ) {
      result[0] += -0.06443080011510188;
    } else {
      if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.00000001800250948e-35) ) ) {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.555765390396119052) ) ) {
          if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03604424931108952262) ) ) {
            result[0] += 0.014488761314299915;
          } else {
            result[0] += -0.039556665177253224;
          }
        } else {
          if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05604153499007225731) ) ) {
            result[0] += 0.014488761314299915;
          } else {
            result[0] += -0.044642364442693386;
          }
        }
      } else {
        result[0] += 0.014488761314299915;
      }
    }
  } else {
    result[0] += 0.09345110756448215;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.439746737480164018) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.797012090682983176) ) ) {
      result[0] += -0.08873253119037046;
    } else {
      if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.9093303978443146862) ) ) {
        result[0] += -0.007496379886219037;
      } else {
        if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.224564455449581174) ) ) {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.201167151331901578) ) ) {
            result[0] += 0.05115216401183009;
          } else {
            result[0] += -0.007496379886219037;
          }
        } else {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3495256900787354071) ) ) {
            result[0] += 0.07427350773873903;
          } else {
            result[0] += -0.00032089727592766293;
          }
        }
      }
    }
  } else {
    result[0] += 0.09208048093374085;
  }
  
  // Apply base_scores
  result[0] += 0;
  
  // Apply postprocessor
  if (!pred_margin) { postprocess(result); }
}

void postprocess(double* result) {
  // sigmoid
  const double alpha = (double)1;
  for (size_t i = 0; i < N_TARGET * MAX_N_CLASS; ++i) {
    result[i] = (double)(1) / ((double)(1) + exp(-alpha * result[i]));
  }
}

/* P(fake) of `count` rows of floats; NaN means missing. */
void predict_rows(const float* rows, size_t count, float* result) {
  for (size_t i = 0; i < count; ++i) {
    union Entry row[8];
    double score[N_TARGET * MAX_N_CLASS] = {0};
    for (size_t j = 0; j < 8; ++j) {
      const float value = rows[i * 8 + j];
      if (value != value) {
        row[j].missing = -1;
      } else {
        row[j].fvalue = (double)value;
      }
    }
    predict(row, 0, score);
    result[i] = (float)score[0];
  }
}
